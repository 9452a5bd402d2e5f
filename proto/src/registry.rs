//! The list of all methods: for completion, help, and near names when one was mistyped.

use warren_rpc::{Method, RawMethod};

use crate::{calculator, certificates, contests, grading, problems, runner, scoreboard};

/// A method as a person at a terminal wants to know it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MethodInfo {
    /// Its name: `calculator.sum`.
    pub name: &'static str,
    /// The service that serves it, as `warren serve` calls it: `problems.put` is of `grading`.
    pub service: &'static str,
    /// What it does, in a line.
    pub summary: &'static str,
    /// Arguments to try it with, as on a command line.
    pub example: &'static str,
    /// What a caller by name has to know of it.
    pub raw: RawMethod<'static>,
}

/// The method of this name.
#[must_use]
pub fn find(name: &str) -> Option<&'static MethodInfo> {
    METHODS.iter().find(|method| method.name == name)
}

/// Every method, by service.
#[must_use]
pub fn methods() -> &'static [MethodInfo] {
    METHODS
}

const fn method<M: Method>(service: &'static str, summary: &'static str, example: &'static str) -> MethodInfo {
    MethodInfo { name: M::NAME, service, summary, example, raw: RawMethod::of::<M>() }
}

const METHODS: &[MethodInfo] = &[
    method::<calculator::Sum>("calculator", "add two numbers", "a:=2 b:=3"),
    method::<calculator::Mean>("calculator", "average a list of numbers", "[10,20,30,40]"),
    method::<calculator::Lookup>("calculator", "look a person up by name", "nome=joao"),
    method::<calculator::Info>("calculator", "tell the operating system of the machine that answers", ""),
    method::<calculator::Soma>("calculator", "calculator.sum under the tutorial's name", "a:=10 b:=5"),
    method::<calculator::Media>("calculator", "calculator.mean under the tutorial's name", "[10,20,30,40]"),
    method::<calculator::Busca>("calculator", "calculator.lookup under the tutorial's name", "nome=joao"),
    method::<calculator::InfoServico>("calculator", "calculator.info under the tutorial's name", ""),
    method::<problems::Put>("grading", "store a problem package", "problem=sum package=BASE64"),
    method::<problems::Get>("grading", "tell a problem's cases and limits", "problem=sum"),
    method::<problems::List>("grading", "list the stored problems", ""),
    method::<problems::Fetch>(
        "grading",
        "read a piece of a package (runners do)",
        "package_sha256=HEX offset_bytes:=0",
    ),
    method::<contests::Put>("scoreboard", "store a contest", "-f contest.json"),
    method::<contests::Get>("scoreboard", "tell a contest's rules, problems and contestants", "contest=spring"),
    method::<grading::Submit>(
        "grading",
        "store a submission and put it in line",
        "problem=sum language=python source=@FILE",
    ),
    method::<grading::Wait>("grading", "wait for a submission's verdict", "submission=ID"),
    method::<grading::Get>("grading", "tell what is known of a submission now", "submission=ID"),
    method::<runner::Judge>("runner", "compile, run and judge a submission (grading does)", "-f judge.json"),
    method::<scoreboard::Compute>("scoreboard", "compute a board from its request alone", "-f board.json"),
    method::<scoreboard::Get>("scoreboard", "show a stored contest's board", "contest=spring"),
    method::<certificates::Issue>(
        "certificates",
        "issue a certificate, or answer the issued one",
        "contest=spring contest_title='Spring Cup' person=ana name='Ana' place:=1",
    ),
    method::<certificates::Get>("certificates", "answer a certificate with its PDF", "code=CODE"),
    method::<certificates::Verify>("certificates", "tell whether a code is genuine", "code=CODE"),
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn a_method_is_of_the_service_that_its_name_starts_with_or_that_serves_its_group() {
        for method in methods() {
            let expected = match method.name.split_once('.') {
                Some(("problems", _)) => "grading",
                Some(("contests", _)) => "scoreboard",
                Some((service, _)) => service,
                None => "calculator",
            };
            assert_eq!(method.service, expected, "{}", method.name);
        }
    }

    #[test]
    fn every_name_is_there_once() {
        let names: BTreeSet<_> = methods().iter().map(|method| method.name).collect();
        assert_eq!(names.len(), methods().len());
        assert_eq!(find("problems.put").unwrap().raw.body_bytes_max, problems::Put::BODY_BYTES_MAX);
        assert!(find("nosuch.method").is_none());
    }
}
