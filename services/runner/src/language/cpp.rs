//! C++20 by g++.

use super::Toolchain;

pub(super) const TOOLCHAIN: Toolchain = Toolchain {
    source: "main.cpp",
    compile: &["/usr/bin/g++", "-std=c++20", "-O2", "-o", "main", "main.cpp"],
    run: &["/box/main"],
};
