//! The scoreboard from outside: laws that every board obeys, real contests, and the service behind a broker.
#![allow(clippy::unwrap_used, reason = "tests")]

mod scoreboard {
    mod clics;
    mod contests;
    mod domjudge;
    mod laws;
    mod load;
    mod omegaup;
    mod pcms;
    mod rpc;
}
