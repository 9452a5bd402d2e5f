//! The list of all methods: for completion, help, and near names when one was mistyped.

/// A method as a person at a terminal wants to know it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MethodInfo {
    /// Its name: `calculator.sum`.
    pub name: &'static str,
    /// What it does, in a line.
    pub summary: &'static str,
    /// Arguments to try it with, as on a command line.
    pub example: &'static str,
}

/// Every method, by service.
#[must_use]
pub fn methods() -> &'static [MethodInfo] {
    METHODS
}

const fn method(name: &'static str, summary: &'static str, example: &'static str) -> MethodInfo {
    MethodInfo { name, summary, example }
}

const METHODS: &[MethodInfo] = &[
    method("calculator.sum", "add two numbers", "a:=2 b:=3"),
    method("calculator.mean", "average a list of numbers", "[10,20,30,40]"),
    method("calculator.lookup", "look a person up by name", "nome=joao"),
    method("calculator.info", "tell the operating system of the machine that answers", ""),
    method("service_soma", "calculator.sum under the tutorial's name", "a:=10 b:=5"),
    method("service_media", "calculator.mean under the tutorial's name", "[10,20,30,40]"),
    method("service_busca", "calculator.lookup under the tutorial's name", "nome=joao"),
    method("service_info", "calculator.info under the tutorial's name", ""),
    method("problems.put", "store a problem package", "problem=sum package=BASE64"),
    method("problems.get", "tell a problem's cases and limits", "problem=sum"),
    method("problems.list", "list the stored problems", ""),
    method("problems.fetch", "read a piece of a package (runners do)", "package_sha256=HEX offset_bytes:=0"),
    method("contests.put", "store a contest", "-f contest.json"),
    method("contests.get", "tell a contest's rules, problems and contestants", "contest=spring"),
    method("grading.submit", "store a submission and put it in line", "problem=sum language=python source=@FILE"),
    method("grading.wait", "wait for a submission's verdict", "submission=ID"),
    method("grading.get", "tell what is known of a submission now", "submission=ID"),
    method("runner.judge", "compile, run and judge a submission (grading does)", "-f judge.json"),
    method("scoreboard.compute", "compute a board from its request alone", "-f board.json"),
    method("scoreboard.get", "show a stored contest's board", "contest=spring"),
    method(
        "certificates.issue",
        "issue a certificate, or answer the issued one",
        "contest=spring contest_title='Spring Cup' person=ana name='Ana' place:=1",
    ),
    method("certificates.get", "answer a certificate with its PDF", "code=CODE"),
    method("certificates.verify", "tell whether a code is genuine", "code=CODE"),
];
