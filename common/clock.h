/* The three clocks, in milliseconds where the name says no other unit. */
#pragma once

#include <stdint.h>

/* For timers and ages: never steps, stands still while the machine is suspended. */
uint64_t clock_mono_ms(void);

/* The same, in microseconds: for measuring. */
uint64_t clock_mono_us(void);

/* Like clock_mono_ms(), but goes on through suspension: shows that the process was frozen. */
uint64_t clock_boot_ms(void);

/* Since 1970: only for what people and other machines read. */
uint64_t clock_wall_ms(void);
