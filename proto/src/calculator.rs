//! The four services of the tutorial: add, average, look up, tell about the machine.
//!
//! Each is there twice, with the same messages: under a Warren name (`calculator.sum`) and under the queue name
//! of the tutorial's Python program (`service_soma`), whose client works against it unchanged.

use std::fmt;

use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{self, Visitor},
};
use warren_rpc::{Effect, Method};

/// Adds two numbers. `invalid_argument` if two whole numbers' sum does not fit 64 bits, or a sum is not finite.
#[derive(Debug)]
pub struct Sum;

/// [`Sum`] under the tutorial's name.
#[derive(Debug)]
pub struct Soma;

impl Method for Sum {
    const NAME: &'static str = "calculator.sum";
    const EFFECT: Effect = Effect::Repeatable;
    type Request = SumRequest;
    type Reply = Number;
}

impl Method for Soma {
    const NAME: &'static str = "service_soma";
    const EFFECT: Effect = Effect::Repeatable;
    type Request = SumRequest;
    type Reply = Number;
}

/// What [`Sum`] takes.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SumRequest {
    /// One number.
    pub a: Number,
    /// The other.
    pub b: Number,
}

/// A number that stays an integer while it is one, so that 10 + 5 is `15`, not `15.0`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Number {
    /// A whole number.
    Integer(i64),
    /// Any other.
    Float(f64),
}

impl Serialize for Number {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match *self {
            Self::Integer(value) => serializer.serialize_i64(value),
            Self::Float(value) => serializer.serialize_f64(value),
        }
    }
}

impl<'de> Deserialize<'de> for Number {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct NumberVisitor;

        impl Visitor<'_> for NumberVisitor {
            type Value = Number;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a number")
            }

            fn visit_i64<E: de::Error>(self, value: i64) -> Result<Number, E> {
                Ok(Number::Integer(value))
            }

            fn visit_u64<E: de::Error>(self, value: u64) -> Result<Number, E> {
                i64::try_from(value).map(Number::Integer).map_err(|_| E::custom("a whole number of over 64 bits"))
            }

            fn visit_f64<E: de::Error>(self, value: f64) -> Result<Number, E> {
                Ok(Number::Float(value))
            }
        }

        deserializer.deserialize_any(NumberVisitor)
    }
}

/// Averages a list of numbers: one at least. `invalid_argument` if their sum is not finite.
#[derive(Debug)]
pub struct Mean;

/// [`Mean`] under the tutorial's name.
#[derive(Debug)]
pub struct Media;

impl Method for Mean {
    const NAME: &'static str = "calculator.mean";
    const EFFECT: Effect = Effect::Repeatable;
    type Request = Vec<f64>;
    type Reply = f64;
}

impl Method for Media {
    const NAME: &'static str = "service_media";
    const EFFECT: Effect = Effect::Repeatable;
    type Request = Vec<f64>;
    type Reply = f64;
}

/// Looks a person up by name.
#[derive(Debug)]
pub struct Lookup;

/// [`Lookup`] under the tutorial's name.
#[derive(Debug)]
pub struct Busca;

impl Method for Lookup {
    const NAME: &'static str = "calculator.lookup";
    const EFFECT: Effect = Effect::Repeatable;
    type Request = LookupRequest;
    type Reply = Person;
}

impl Method for Busca {
    const NAME: &'static str = "service_busca";
    const EFFECT: Effect = Effect::Repeatable;
    type Request = LookupRequest;
    type Reply = Person;
}

/// What [`Lookup`] takes.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LookupRequest {
    /// The person's name, in any case.
    #[serde(alias = "name")]
    pub nome: String,
}

/// What [`Lookup`] answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Person {
    /// Age in years.
    pub idade: u32,
    /// The city they live in.
    pub cidade: String,
}

/// Tells the operating system of the machine that answers.
#[derive(Debug)]
pub struct Info;

/// [`Info`] under the tutorial's name.
#[derive(Debug)]
pub struct InfoServico;

impl Method for Info {
    const NAME: &'static str = "calculator.info";
    const EFFECT: Effect = Effect::Repeatable;
    type Request = InfoRequest;
    type Reply = System;
}

impl Method for InfoServico {
    const NAME: &'static str = "service_info";
    const EFFECT: Effect = Effect::Repeatable;
    type Request = InfoRequest;
    type Reply = System;
}

/// What [`Info`] takes: nothing.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InfoRequest {}

/// What [`Info`] answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct System {
    /// The operating system's name: `Linux`.
    pub so: String,
    /// Its release: `6.1.0-18-amd64`.
    pub versao: String,
}
