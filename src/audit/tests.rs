//! The log as a whole: what is written is found, what is changed is found out, and what fails is said.
