/* What guard_counts.py tells callgrind: see its manual on client requests.
 *
 *     cc -shared -fPIC -o toggles.so callgrind_toggles.c
 */
#include <valgrind/callgrind.h>

void start(void) {
    CALLGRIND_START_INSTRUMENTATION;
}

void toggle(void) { CALLGRIND_TOGGLE_COLLECT; }

void dump(const char *name) { CALLGRIND_DUMP_STATS_AT(name); }
