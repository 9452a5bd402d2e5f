//! Python 3 by the system's interpreter. Compiling finds syntax errors, so that they are compile errors.

use super::Toolchain;

pub(super) const TOOLCHAIN: Toolchain = Toolchain {
    source: "main.py",
    compile: &["/usr/bin/python3", "-I", "-m", "py_compile", "main.py"],
    run: &["/usr/bin/python3", "/box/main.py"],
};
