//! The scoreboard from outside: laws that every board obeys, real contests, and the service behind a broker.

mod clics;
mod data;
mod domjudge;
mod laws;
mod load;
mod omegaup;
mod pcms;
mod rpc;
