//! C17 by gcc.

use super::Toolchain;

pub(super) const TOOLCHAIN: Toolchain = Toolchain {
    source: "main.c",
    compile: &["/usr/bin/gcc", "-std=c17", "-O2", "-o", "main", "main.c", "-lm"],
    run: &["/box/main"],
};
