// SPDX-License-Identifier: Apache-2.0
// Stands in for VBoxHeadless where VirtualBox's kernel driver is not loaded: the real one ends without it.
//
// VirtualBox can run a VM in its own recompiler ("driverless"), but its setuid starter opens /dev/vboxdrv before it looks at that.
// So this starter does the starter's work itself, in the order in which that does it: the runtime, the support library (told not to
// want the driver), and then VBoxHeadless.so, which is the real program.
#include <dlfcn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#define DIR "/usr/lib/virtualbox/"

// SUPR3INIT_F_DRIVERLESS and SUPR3INIT_F_DRIVERLESS_IEM_ALLOWED of VirtualBox's VBox/sup.h.
enum { DRIVERLESS = 1 << 2, INTERPRETER_ALLOWED = 1 << 3 };

static void *library(const char *path)
{
	void *handle = dlopen(path, RTLD_NOW | RTLD_GLOBAL);

	if (!handle) {
		fprintf(stderr, "VBoxHeadless: %s\n", dlerror());
		exit(1);
	}
	return handle;
}

static void *function(void *handle, const char *name)
{
	void *found = dlsym(handle, name);

	if (!found) {
		fprintf(stderr, "VBoxHeadless: %s\n", dlerror());
		exit(1);
	}
	return found;
}

static void check(const char *name, int status)
{
	if (status < 0) {
		fprintf(stderr, "VBoxHeadless: %s: %d\n", name, status);
		exit(1);
	}
}

int main(int argc, char **argv, char **environment)
{
	void *runtime = library(DIR "VBoxRT.so");
	int (*init_runtime)(int, char ***, uint32_t) = function(runtime, "RTR3InitExe");
	int (*init_support)(uint32_t, void **) = function(runtime, "SUPR3InitEx");

	check("RTR3InitExe", init_runtime(argc, &argv, 0));
	check("SUPR3InitEx", init_support(DRIVERLESS | INTERPRETER_ALLOWED, NULL));
	int (*run)(int, char **, char **) = function(library(DIR "VBoxHeadless.so"), "TrustedMain");
	return run(argc, argv, environment);
}
