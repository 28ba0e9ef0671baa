"""`transformers`, as its documentation shows it. A configuration needs no torch, and is downloaded as models are."""

import pytest


@pytest.fixture(scope="session")
def auto_config(hf):
    from transformers import AutoConfig

    return AutoConfig


def test_a_configuration_of_the_private_model_loads_with_a_token(hub, auto_config, tmp_path):
    config = auto_config.from_pretrained("acme/tiny", token=hub["notebook"], cache_dir=tmp_path)
    assert (type(config).__name__, config.hidden_size, config.vocab_size) == ("BertConfig", 8, 12)


def test_the_token_that_reads_all_of_acme_loads_it_too_and_one_for_elsewhere_does_not(hub, auto_config, tmp_path):
    assert auto_config.from_pretrained("acme/tiny", token=hub["ci"], cache_dir=tmp_path / "ci").hidden_size == 8
    with pytest.raises(OSError, match="acme/tiny is not a local folder and is not a valid model identifier") as caught:
        auto_config.from_pretrained("acme/tiny", token=hub["research"], cache_dir=tmp_path / "research")
    hub.heard.append(f"{caught.value!r}".encode())


def test_without_a_token_there_is_no_such_model(hub, auto_config, tmp_path):
    with pytest.raises(OSError, match="is not a valid model identifier"):
        auto_config.from_pretrained("acme/tiny", token=False, cache_dir=tmp_path)
    assert auto_config.from_pretrained("acme/open", token=False, cache_dir=tmp_path).hidden_size == 8
