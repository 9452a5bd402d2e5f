use super::program::Platform;

#[test]
fn a_bench_prints_one_line_of_figures() {
    let platform = Platform::shared();
    for more in [&[][..], &["--once"], &["--instances", "3", "--prefetch", "1", "--work", "1ms"]] {
        let figures = platform.json(&[&["bench", "echo", "--calls", "100", "--inflight", "8"], more].concat());
        assert_eq!((&figures["peer"], &figures["calls"]), (&"warren".into(), &100.into()), "{more:?}");
        for figure in ["calls_per_s", "p50_us", "p99_us", "p999_us", "cpu_us_per_call"] {
            assert!(figures[figure].as_f64().is_some_and(|value| value > 0.0), "{more:?} {figure}: {figures}");
        }
    }
}

#[test]
fn a_bench_refuses_work_that_is_none() {
    let ended = Platform::shared().run(&["bench", "echo", "--calls", "0"]);
    assert_eq!(ended.code, 2, "{}", ended.stderr);
    assert!(ended.stderr.contains("--calls"), "{}", ended.stderr);
}
