"""What pyproject.toml cannot say: the extension modules and where packages lie.

``EDGELAKE_SANITIZE=1`` builds with the address and undefined-behaviour
sanitizers; run the result with libasan preloaded (``make sanitize``).
"""

from __future__ import annotations

import os

from Cython.Build import cythonize
from setuptools import Extension, find_packages, setup
from setuptools.command.build_ext import build_ext

RELEASE = ["-O2", "-g0"]
SANITIZE = ["-O1", "-g", "-fno-omit-frame-pointer", "-fsanitize=address,undefined"]
SANITIZED = os.environ.get("EDGELAKE_SANITIZE") == "1"

WARNINGS = [
    "-Wall",
    # Cython emits a helper per imported C function whether or not it is used.
    "-Wno-unused-function",
]


def extensions() -> list[Extension]:
    """Return one extension module for each file of the native part."""
    pattern = Extension(
        "*",
        ["pyx/edgelake/_native/*.pyx"],
        define_macros=[("_GNU_SOURCE", "1")],
        extra_compile_args=[*WARNINGS, *(SANITIZE if SANITIZED else RELEASE)],
        extra_link_args=["-pthread", *(SANITIZE if SANITIZED else [])],
    )
    modules: list[Extension] = cythonize(
        [pattern],
        build_dir="build/sanitize/c" if SANITIZED else "build/c",
        include_path=["pyx"],
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


setup(
    packages=[*find_packages(include=["edgelake", "edgelake.*"]), "edgelake.grammar"],
    package_dir={"edgelake": "edgelake", "edgelake.grammar": "grammar"},
    package_data={
        "edgelake": ["py.typed"],
        "edgelake._native": ["*.pyi"],
        "edgelake.grammar": ["*.lark"],
    },
    ext_modules=extensions(),
    cmdclass={"build_ext": BuildExtensions},
)
