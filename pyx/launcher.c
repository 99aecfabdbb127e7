/* The compiled command line: starts CPython as `python3 -m edgelake` would.
 *
 * Why it is a binary, and why it is set up like this: docs/decisions/0001-native-launcher.md
 */
#include <Python.h>

#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* The interpreter that built this file, and the one its environment was made from. */
#if !defined(EDGELAKE_PYTHON) || !defined(EDGELAKE_BASE_PYTHON)
#error "setup.py build_scripts compiles this file: it names the interpreters"
#endif

/* Write the path of the python3 in this binary's own folder, links resolved. */
static int
beside(char *path, size_t size)
{
    static const char name[] = "python3";
    ssize_t length = readlink("/proc/self/exe", path, size);
    if (length <= 0 || (size_t)length >= size) {
        return -1;
    }
    path[length] = '\0';
    char *file = strrchr(path, '/');
    if (file == NULL || (size_t)(file + 1 - path) + sizeof name > size) {
        return -1;
    }
    memcpy(file + 1, name, sizeof name);
    return 0;
}

/* Never this binary itself: sys.executable is what multiprocessing starts as its children. */
static const char *
find_python(char *path, size_t size)
{
    if (beside(path, size) == 0 && access(path, X_OK) == 0) {
        return path;
    }
    return access(EDGELAKE_PYTHON, X_OK) == 0 ? EDGELAKE_PYTHON : EDGELAKE_BASE_PYTHON;
}

/* Set up what `python3 -E -P -X utf8 -m edgelake ...` means. */
static PyStatus
start(PyConfig *config, const char *python, int argc, char **argv)
{
    config->parse_argv = 0;
    config->use_environment = 0;
    config->safe_path = 1;
    PyStatus status = PyConfig_SetBytesString(config, &config->program_name, python);
    if (!PyStatus_Exception(status)) {
        status = PyConfig_SetString(config, &config->run_module, L"edgelake");
    }
    if (!PyStatus_Exception(status)) {
        status = PyConfig_SetBytesArgv(config, argc, argv);
    }
    return PyStatus_Exception(status) ? status : Py_InitializeFromConfig(config);
}

int
main(int argc, char **argv)
{
    char path[PATH_MAX];
    const char *python = find_python(path, sizeof path);
    if (access(python, X_OK) != 0) {
        fprintf(stderr, "edgelake: no interpreter at %s\n", python);
        return 1;
    }
    PyPreConfig text;
    PyPreConfig_InitPythonConfig(&text);
    text.parse_argv = 0;
    text.use_environment = 0;
    text.utf8_mode = 1;
    PyStatus status = Py_PreInitialize(&text);
    if (PyStatus_Exception(status)) {
        Py_ExitStatusException(status);
    }
    PyConfig config;
    PyConfig_InitPythonConfig(&config);
    status = start(&config, python, argc, argv);
    PyConfig_Clear(&config);
    if (PyStatus_Exception(status)) {
        Py_ExitStatusException(status);
    }
    return Py_RunMain();
}
