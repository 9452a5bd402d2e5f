//! The `warren` program as a person or a script uses it: the real binary, a broker, the real sandbox.

#![expect(clippy::unwrap_used, reason = "tests")]

mod cli {
    mod bad_input;
    mod bench;
    mod broker;
    mod call;
    mod contest;
    mod program;
    mod serve;
}
