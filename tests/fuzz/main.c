/* A fuzzer that runs one Cython target: an interpreter only to load the native modules. */
#include <Python.h>

#include <stdint.h>
#include <stdio.h>

typedef int (*target_function)(const uint8_t *data, size_t size);

static target_function target;

/* Functions that a module declares in its .pxd are in its `__pyx_capi__`. */
static target_function
load(const char *name)
{
    PyObject *module = PyImport_ImportModule(name);
    PyObject *exports = module ? PyObject_GetAttrString(module, "__pyx_capi__") : NULL;
    PyObject *capsule = exports ? PyDict_GetItemString(exports, "fuzz_one") : NULL;
    if (capsule == NULL) {
        return NULL;
    }
    return (target_function)PyCapsule_GetPointer(capsule, PyCapsule_GetName(capsule));
}

int
LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc;
    (void)argv;
    PyConfig config;
    PyConfig_InitPythonConfig(&config);
    config.install_signal_handlers = 0;
    PyStatus status = PyConfig_SetBytesString(&config, &config.program_name, EDGELAKE_PYTHON);
    if (!PyStatus_Exception(status)) {
        status = Py_InitializeFromConfig(&config);
    }
    PyConfig_Clear(&config);
    if (PyStatus_Exception(status)) {
        Py_ExitStatusException(status);
    }
    target = load(TARGET);
    if (target == NULL) {
        PyErr_Print();
        fprintf(stderr, "no target %s\n", TARGET);
        exit(1);
    }
    PyEval_SaveThread();        /* no native function needs the GIL */
    return 0;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    return target(data, size);
}
