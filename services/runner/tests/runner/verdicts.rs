//! Every verdict, by programs that earn it.

use std::time::Duration;

use futures::future::join_all;
use warren_proto::{
    Decimal,
    grading::{Language, MESSAGE_BYTES_MAX, Verdict},
};

use super::harness::{judged, one_case, package};

const SUM: [(Language, &str); 3] = [
    (
        Language::C,
        "#include <stdio.h>\nint main() { long a, b; scanf(\"%ld %ld\", &a, &b); printf(\"%ld\\n\", a + b); }",
    ),
    (Language::Cpp, "#include <iostream>\nint main() { long a, b; std::cin >> a >> b; std::cout << a + b << '\\n'; }"),
    (Language::Python, "print(sum(map(int, input().split())))"),
];

#[tokio::test]
async fn the_right_answer_is_accepted_in_every_language() {
    let package = one_case("2 3\n", "5\n");
    for (language, source) in SUM {
        let judgement = judged(&package, language, source).await;
        assert_eq!(judgement.verdict, Verdict::Ac, "{language}: {judgement:?}");
        assert_eq!(judgement.score, Decimal::one());
        assert_eq!(judgement.judged_by, "runner-test");
        assert!(judgement.memory_bytes > 0 && judgement.groups[0].cases[0].wall_ms > 0, "{judgement:?}");
    }
}

#[tokio::test]
async fn a_wrong_answer_is_wrong() {
    let judgement = judged(&one_case("2 3\n", "5\n"), Language::Python, "print(6)").await;
    assert_eq!((judgement.verdict, judgement.score), (Verdict::Wa, Decimal::zero()));
}

#[tokio::test]
async fn some_groups_right_is_partially_accepted() {
    let package = package(&[
        ("cases/easy.1.in", "1 1"),
        ("cases/easy.1.out", "2"),
        ("cases/hard.1.in", "-1 1"),
        ("cases/hard.1.out", "0"),
        ("cases/hard.2.in", "2 2"),
        ("cases/hard.2.out", "4"),
        ("testplan", "easy.1 1\nhard.1 1\nhard.2 2\n"),
    ]);
    let judgement = judged(&package, Language::Python, "a, b = map(int, input().split()); print(abs(a) + b)").await;
    assert_eq!((judgement.verdict, judgement.score.to_string().as_str()), (Verdict::Pa, "0.25"));
    let groups: Vec<_> = judgement.groups.iter().map(|group| (group.group.as_str(), group.score.to_string())).collect();
    assert_eq!(groups, [("easy", "0.25".to_owned()), ("hard", "0".to_owned())]);
    let verdicts: Vec<Verdict> = judgement.groups[1].cases.iter().map(|case| case.verdict).collect();
    assert_eq!(verdicts, [Verdict::Wa, Verdict::Ac]);
}

/// One case with a time limit of 300 ms.
fn hurried() -> std::sync::Arc<warren_package::Package> {
    let settings = r#"{"Limits": {"TimeLimit": "300ms"}}"#;
    package(&[("cases/1.in", ""), ("cases/1.out", ""), ("settings.json", settings)])
}

#[tokio::test]
async fn computing_too_long_is_told_by_cpu_time() {
    let judgement = judged(&hurried(), Language::C, "int main() { for (volatile int i = 0;; i++); }").await;
    assert_eq!(judgement.verdict, Verdict::Tle, "{judgement:?}");
    assert!((300..1000).contains(&judgement.time_ms), "{judgement:?}");
}

#[tokio::test]
async fn computing_on_a_busy_machine_is_not_late() {
    let settings = r#"{"Limits": {"TimeLimit": "2s"}}"#;
    let package = package(&[("cases/1.in", ""), ("cases/1.out", "5"), ("settings.json", settings)]);
    let source = "import time\nwhile time.process_time() < 1: pass\nprint(5)";
    let cores = std::thread::available_parallelism().unwrap().get();
    // Each gets a quarter of a core.
    let judgements = join_all((0..4 * cores).map(|_| judged(&package, Language::Python, source))).await;
    for judgement in judgements {
        assert_eq!(judgement.verdict, Verdict::Ac, "{judgement:?}");
        assert!((1000..2000).contains(&judgement.time_ms), "{judgement:?}");
    }
}

#[tokio::test]
async fn sleeping_too_long_is_told_by_wall_time() {
    let judgement = judged(&hurried(), Language::C, "#include <unistd.h>\nint main() { sleep(100); }").await;
    assert_eq!(judgement.verdict, Verdict::Tle, "{judgement:?}");
    assert!(judgement.time_ms == 300 && judgement.groups[0].cases[0].wall_ms >= 3 * 300 + 1000, "{judgement:?}");
}

#[tokio::test]
async fn cases_after_the_overall_wall_time_are_late_without_running() {
    let settings = r#"{"Limits": {"TimeLimit": "1s", "OverallWallTimeLimit": "500ms"}}"#;
    let files =
        [("cases/1.in", ""), ("cases/1.out", ""), ("cases/2.in", ""), ("cases/2.out", ""), ("settings.json", settings)];
    let judgement = judged(&package(&files), Language::Python, "import time; time.sleep(10)").await;
    assert_eq!(judgement.verdict, Verdict::Tle);
    assert!(judgement.groups[0].cases[0].wall_ms >= 400, "{judgement:?}");
    assert_eq!(judgement.groups[1].cases[0].wall_ms, 0, "{judgement:?}");
}

#[tokio::test]
async fn touching_too_much_memory_is_told() {
    let touch = "#include <stdlib.h>\nint main() { volatile char *p = malloc(200 << 20);
        for (long i = 0; i < 200 << 20; i += 4096) p[i] = 1; }";
    for (language, source) in [(Language::C, touch), (Language::Python, "x = [0] * (10 ** 8)")] {
        let judgement = judged(&one_case("", ""), language, source).await;
        assert_eq!(judgement.verdict, Verdict::Mle, "{language}: {judgement:?}");
        assert!(judgement.memory_bytes > 32 << 20, "{judgement:?}");
    }
}

#[tokio::test]
async fn deep_recursion_may_use_all_memory_as_stack() {
    let settings = r#"{"Limits": {"MemoryLimit": "128MiB"}}"#;
    let package = package(&[("cases/1.in", ""), ("cases/1.out", "500000"), ("settings.json", settings)]);
    let source = "#include <stdio.h>
        int deep(int n) { volatile char pad[64]; pad[0] = 1; return n ? pad[0] + deep(n - 1) : 0; }
        int main() { printf(\"%d\", deep(500000)); }";
    let judgement = judged(&package, Language::C, source).await;
    assert_eq!(judgement.verdict, Verdict::Ac, "{judgement:?}");
}

#[tokio::test]
async fn crashes_and_exit_codes_are_run_time_errors() {
    let package = one_case("", "");
    for body in ["*(volatile int *)0 = 1;", "abort();", "exit(3);"] {
        let source = format!("#include <stdlib.h>\nint main() {{ {body} }}");
        let judgement = judged(&package, Language::C, &source).await;
        assert_eq!(judgement.verdict, Verdict::Rte, "{body}: {judgement:?}");
    }
    assert_eq!(judged(&package, Language::Python, "1 / 0").await.verdict, Verdict::Rte);
}

#[tokio::test]
async fn printing_too_much_is_told_and_printing_all_that_is_allowed_is_right() {
    let package = one_case("", &"a".repeat(10 << 10));
    let print = |count: usize| format!("import sys; sys.stdout.write('a' * {count})");
    assert_eq!(judged(&package, Language::Python, &print(10 << 10)).await.verdict, Verdict::Ac);
    assert_eq!(judged(&package, Language::Python, &print((10 << 10) + 1)).await.verdict, Verdict::Ole);
    let endless = "#include <stdio.h>\nint main() { for (;;) puts(\"a\"); }";
    assert_eq!(judged(&package, Language::C, endless).await.verdict, Verdict::Ole);
}

#[tokio::test]
async fn what_goes_to_standard_error_does_not_matter() {
    let source = "import sys\nfor _ in range(20000): print('debugging' * 10, file=sys.stderr)\nprint(5)";
    assert_eq!(judged(&one_case("", "5"), Language::Python, source).await.verdict, Verdict::Ac);
}

#[tokio::test]
async fn standard_input_and_output_may_be_opened_by_name() {
    let source = "a, b = open('/dev/stdin').read().split(); open('/dev/stdout', 'w').write(str(int(a) + int(b)))";
    let judgement = judged(&one_case("2 3\n", "5\n"), Language::Python, source).await;
    assert_eq!(judgement.verdict, Verdict::Ac, "{judgement:?}");
}

#[tokio::test]
async fn a_compile_error_says_what_the_compiler_said() {
    let package = one_case("", "");
    for (language, source, said) in [
        (Language::C, "int main() { return x; }", "main.c:1:21: error: 'x' undeclared"),
        (Language::Cpp, "int main() { return x; }", "'x' was not declared"),
        (Language::Python, "print(1", "'(' was never closed"),
    ] {
        let judgement = judged(&package, language, source).await;
        assert_eq!(judgement.verdict, Verdict::Ce, "{language}: {judgement:?}");
        let message = judgement.message.unwrap().replace(['‘', '’'], "'");
        assert!(message.contains(said), "{message}");
        assert!(judgement.groups.is_empty());
    }
}

#[tokio::test]
async fn compiling_for_ever_is_a_compile_error() {
    let package = one_case("", "");
    let started = std::time::Instant::now();
    for source in [
        "#include \"main.c\"\nint main() {}",
        "#include \"/dev/urandom\"\nint main() {}",
        "#include \"/etc/passwd\"\nint main() {}",
        "int a[1 << 29] = {1}; int main() {}",
    ] {
        let judgement = judged(&package, Language::C, source).await;
        assert_eq!(judgement.verdict, Verdict::Ce, "{source}: {judgement:?}");
        assert!(judgement.message.is_some_and(|message| !message.is_empty() && message.len() <= MESSAGE_BYTES_MAX));
    }
    assert!(started.elapsed() < Duration::from_secs(60));
}
