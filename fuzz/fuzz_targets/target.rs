//! The target of a request to the gateway, as anybody can send it.
//!
//! Reading it never stops the program. What is read has no segment that a proxy or a backend would take for another one,
//! and the same segments written anew, every byte of them escaped or none that need not be, are read the same.
#![no_main]

#[allow(dead_code, reason = "the program uses the rest")]
#[path = "../../src/pdp/gateway/target.rs"]
mod target;

use libfuzzer_sys::fuzz_target;
use target::Target;

fuzz_target!(|bytes: &[u8]| {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let Ok(read) = Target::read(text) else { return };
    for key in ["service", "a b", ""] {
        let _ = read.query.value(key);
    }
    let path = text.split('?').next().unwrap_or_default();
    for segment in &read.segments {
        let text = &segment.text;
        assert!(!text.contains('\\') && !text.chars().any(char::is_control), "{text:?}");
        assert!(!text.split('/').any(|part| ["", ".", ".."].contains(&part)), "{text:?}");
        assert_eq!(segment.slashed, text.contains('/'), "{text:?}");
    }
    assert_eq!(read.is_slashed(), path.to_ascii_lowercase().contains("%2f"), "{path:?}");
    if !path.contains('%') {
        let bare: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
        let segments: Vec<&str> = read.segments.iter().map(|segment| segment.text.as_ref()).collect();
        assert_eq!(segments, bare);
    }
    for escaped in [needed as fn(u8) -> bool, |_| true] {
        let mut again = String::new();
        for segment in &read.segments {
            again.push('/');
            again.extend(segment.text.bytes().map(|byte| match escaped(byte) {
                true => format!("%{byte:02X}"),
                false => char::from(byte).to_string(),
            }));
        }
        if read.trailing_slash {
            again.push('/');
        }
        // Escapes make it longer, and what is too long is refused.
        if again.len() > 8 * 1024 {
            continue;
        }
        let reread = Target::read(&again).unwrap_or_else(|why| panic!("{again:?}: {why}"));
        let both = read.segments.iter().zip(&reread.segments);
        assert!(read.segments.len() == reread.segments.len() && read.trailing_slash == reread.trailing_slash);
        both.for_each(|(first, second)| assert_eq!(first.text, second.text, "{again:?}"));
    }
});

/// Whether a byte of a segment must be escaped.
fn needed(byte: u8) -> bool {
    !byte.is_ascii_alphanumeric() && !b"-_.~".contains(&byte)
}
