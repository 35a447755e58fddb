// SPDX-License-Identifier: Apache-2.0
// The commands that this program is when it is not PID 1, by the name it is called.
#pragma once

// Runs the applet of that name. Returns its exit status, or -1 when there is none of that name.
int applets_run(int argc, char **argv);
