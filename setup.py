"""What pyproject.toml cannot say: extension modules, where packages lie, and the launcher.

``EDGELAKE_SANITIZE`` builds for tests only: ``address`` with the address and
undefined-behaviour sanitizers (``make sanitize``), ``thread`` with the one that
finds races (``make sanitize-threads``), ``fuzz`` with the first two and the fuzz
targets of ``tests/fuzz`` (``make fuzz``; needs Clang).
"""

from __future__ import annotations

import os
import re
import sys
from distutils.ccompiler import new_compiler
from distutils.command.build_scripts import build_scripts
from distutils.sysconfig import customize_compiler
from pathlib import Path
from sysconfig import get_config_var, get_path

from Cython.Build import cythonize
from setuptools import Extension, find_packages, setup
from setuptools.command.build_ext import build_ext

RELEASE = ["-O2", "-g0"]
FOR_TESTS = {
    "address": ["-fsanitize=address,undefined"],
    "thread": ["-fsanitize=thread"],
    "fuzz": [
        "-fsanitize=fuzzer-no-link,address,undefined",
        "-fno-sanitize-recover=undefined",
    ],
}
BUILD = os.environ.get("EDGELAKE_SANITIZE", "")
FLAGS = ["-O1", "-g", "-fno-omit-frame-pointer", *FOR_TESTS[BUILD]] if BUILD else RELEASE

WARNINGS = [
    "-Wall",
    # Cython emits a helper per imported C function whether or not it is used.
    "-Wno-unused-function",
]


def _replaced_calls() -> list[str]:
    """Return which calls of the system go to tests/fuzz/kernel.c in the fuzz targets."""
    text = Path("tests/fuzz/kernel.h").read_text(encoding="utf-8")
    return re.findall(r"\b__wrap_(\w+)\(", text)


def _extensions(sources: str, flags: list[str]) -> Extension:
    fuzz = BUILD == "fuzz"
    return Extension(
        "*",
        [sources],
        define_macros=[("_GNU_SOURCE", "1")],
        include_dirs=["tests/fuzz"] if fuzz else [],
        extra_compile_args=[*WARNINGS, *flags],
        extra_link_args=[
            "-pthread",
            *(FOR_TESTS[BUILD] if BUILD else []),
            *([f"-Wl,--wrap={name}" for name in _replaced_calls()] if fuzz else []),
        ],
    )


def extensions() -> list[Extension]:
    """Return one extension module for each file of the native part."""
    patterns = [_extensions("pyx/edgelake/_native/*.pyx", FLAGS)]
    if BUILD == "fuzz":
        # The targets themselves are not measured.
        patterns.append(_extensions("tests/fuzz/*.pyx", [*FLAGS, "-fno-sanitize=fuzzer-no-link"]))
    modules: list[Extension] = cythonize(
        patterns,
        build_dir=f"build/{BUILD}/c" if BUILD else "build/c",
        include_path=["pyx", "."],
        compiler_directives={
            "language_level": 3,
            "freethreading_compatible": True,
            "embedsignature": True,
        },
    )
    return modules


class BuildExtensions(build_ext):
    """Compiles the modules side by side: they are many and small."""

    def finalize_options(self) -> None:
        """Use every processor unless ``--parallel`` was given."""
        super().finalize_options()
        self.parallel = self.parallel or os.cpu_count()


class BuildLauncher(build_scripts):
    """Compiles the script ``edgelake`` with the flags of the interpreter that runs this.

    See docs/decisions/0001-native-launcher.md.
    """

    def run(self) -> None:
        """Leave the program in ``build_dir``, where the install commands look for scripts."""
        compiler = new_compiler()
        customize_compiler(compiler)
        interpreters = {
            "EDGELAKE_PYTHON": sys.executable,
            "EDGELAKE_BASE_PYTHON": getattr(sys, "_base_executable", sys.executable),
        }
        objects = compiler.compile(
            self.scripts,
            output_dir=self.get_finalized_command("build").build_temp,
            macros=[(name, f'"{path}"') for name, path in interpreters.items()],
            include_dirs=[get_path("include")],
            extra_postargs=["-Wall", "-Wextra", "-O2", "-g0"],
        )
        # A static libpython lies in LIBPL, and must show its symbols to the modules it loads.
        shared = bool(get_config_var("Py_ENABLE_SHARED"))
        folder = get_config_var("LIBDIR" if shared else "LIBPL")
        needed = [] if shared else ["LINKFORSHARED", "LIBS", "SYSLIBS"]
        compiler.link_executable(
            objects,
            "edgelake",
            output_dir=self.build_dir,
            libraries=[f"python{get_config_var('LDVERSION')}"],
            library_dirs=[folder],
            runtime_library_dirs=[folder] if shared else [],
            extra_postargs=" ".join(get_config_var(name) or "" for name in needed).split(),
        )


setup(
    packages=[*find_packages(include=["edgelake", "edgelake.*"]), "edgelake.grammar"],
    package_dir={"edgelake": "edgelake", "edgelake.grammar": "grammar"},
    package_data={
        "edgelake": ["py.typed"],
        "edgelake._native": ["*.pyi"],
        "edgelake.commands": ["*.txt"],
        "edgelake.grammar": ["*.lark"],
        "edgelake.platforms": ["contract.json"],
        "edgelake.rest": ["pages/*"],
    },
    ext_modules=extensions(),
    scripts=["pyx/launcher.c"],
    cmdclass={"build_ext": BuildExtensions, "build_scripts": BuildLauncher},
)
