//! The tutorial's four services: sum, mean, lookup, info; each also under the tutorial's own queue name.

use std::{collections::BTreeMap, sync::Arc};

use warren_proto::calculator::{
    Busca, Info, InfoRequest, InfoServico, Lookup, LookupRequest, Mean, Media, Number, Person, Soma, Sum, SumRequest,
    System,
};
use warren_rpc::{Context, Service, Status};

/// The people that `calculator.lookup` knows, by name in lower case.
#[derive(Debug)]
pub struct Directory {
    people: BTreeMap<String, Person>,
}

impl Default for Directory {
    fn default() -> Self {
        let person = |name: &str, idade, cidade: &str| (name.to_owned(), Person { idade, cidade: cidade.to_owned() });
        Self {
            people: [
                person("joao", 22, "São Paulo"),
                person("maria", 30, "Rio de Janeiro"),
                person("pedro", 27, "Belo Horizonte"),
            ]
            .into(),
        }
    }
}

/// The service `calculator`.
#[must_use]
pub fn service() -> Service<Directory> {
    Service::new("calculator", env!("CARGO_PKG_VERSION"), Arc::new(Directory::default()))
        .method::<Sum, _, _>(sum)
        .method::<Soma, _, _>(sum)
        .method::<Mean, _, _>(mean)
        .method::<Media, _, _>(mean)
        .method::<Lookup, _, _>(lookup)
        .method::<Busca, _, _>(lookup)
        .method::<Info, _, _>(info)
        .method::<InfoServico, _, _>(info)
}

async fn sum(_: Arc<Directory>, _: Context, SumRequest { a, b }: SumRequest) -> Result<Number, Status> {
    add(a, b)
}

fn add(a: Number, b: Number) -> Result<Number, Status> {
    let (a, b) = match (a, b) {
        (Number::Integer(a), Number::Integer(b)) => {
            let sum = a.checked_add(b).map(Number::Integer);
            return sum.ok_or_else(|| Status::invalid_argument("a + b does not fit a whole number of 64 bits"));
        }
        (a, b) => (to_f64(a), to_f64(b)),
    };
    finite("a + b", a + b).map(Number::Float)
}

#[expect(clippy::cast_precision_loss, reason = "a sum with a float is a float")]
fn to_f64(number: Number) -> f64 {
    match number {
        Number::Integer(value) => value as f64,
        Number::Float(value) => value,
    }
}

async fn mean(_: Arc<Directory>, _: Context, numbers: Vec<f64>) -> Result<f64, Status> {
    average(&numbers)
}

#[expect(clippy::cast_precision_loss, reason = "a body of 1 MiB holds far fewer than 2^52 numbers")]
fn average(numbers: &[f64]) -> Result<f64, Status> {
    if numbers.is_empty() {
        return Err(Status::invalid_argument("the mean of no numbers: give one at least, as in [10, 20]"));
    }
    finite("the sum", numbers.iter().sum::<f64>() / numbers.len() as f64)
}

/// JSON has no infinity, so it is said where it appears.
fn finite(what: &str, value: f64) -> Result<f64, Status> {
    if value.is_finite() { Ok(value) } else { Err(Status::invalid_argument(format!("{what} is not a finite number"))) }
}

async fn lookup(directory: Arc<Directory>, _: Context, request: LookupRequest) -> Result<Person, Status> {
    directory.people.get(&request.nome.to_lowercase()).cloned().ok_or_else(|| {
        let known: Vec<_> = directory.people.keys().map(String::as_str).collect();
        Status::not_found(format!("nome: nobody is called {:?}; known are {}", request.nome, known.join(", ")))
    })
}

async fn info(_: Arc<Directory>, _: Context, _: InfoRequest) -> Result<System, Status> {
    let system = nix::sys::utsname::uname().map_err(|error| {
        tracing::error!(%error, "uname failed");
        Status::unavailable("the operating system does not tell its name")
    })?;
    let text = |part: &std::ffi::OsStr| part.to_string_lossy().into_owned();
    Ok(System { so: text(system.sysname()), versao: text(system.release()) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_numbers_stay_whole() {
        let add = |a, b| add(a, b).unwrap();
        assert_eq!(add(Number::Integer(10), Number::Integer(5)), Number::Integer(15));
        assert_eq!(add(Number::Integer(1), Number::Float(0.5)), Number::Float(1.5));
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        assert!(add(Number::Integer(i64::MAX), Number::Integer(1)).is_err());
        assert!(add(Number::Float(f64::MAX), Number::Float(f64::MAX)).is_err());
        assert!(average(&[f64::MAX, f64::MAX]).is_err());
    }

    #[test]
    fn the_mean_of_nothing_is_refused() {
        assert_eq!(average(&[10.0, 20.0, 30.0, 40.0]).unwrap(), 25.0);
        assert!(average(&[]).unwrap_err().message.contains("give one at least"));
    }
}
