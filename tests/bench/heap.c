#include "heap.h"

#include <dlfcn.h>
#include <malloc.h>
#include <stdlib.h>
#include <string.h>

/* For one thread, as benchmarks are. */
static size_t in_use, peak, base;

static void *(*real_malloc)(size_t);
static void *(*real_calloc)(size_t, size_t);
static void *(*real_realloc)(void *, size_t);
static void (*real_free)(void *);

/* dlsym() itself may allocate before it has told us where the real functions are. */
static char early[4096];
static size_t early_used;

static void find_real(void)
{
	static int looking;

	if (real_free != NULL || looking)
		return;
	looking = 1;
	*(void **)&real_malloc = dlsym(RTLD_NEXT, "malloc");
	*(void **)&real_calloc = dlsym(RTLD_NEXT, "calloc");
	*(void **)&real_realloc = dlsym(RTLD_NEXT, "realloc");
	*(void **)&real_free = dlsym(RTLD_NEXT, "free");
}

static void *count(void *memory)
{
	if (memory != NULL)
		in_use += malloc_usable_size(memory);
	if (in_use > peak)
		peak = in_use;
	return memory;
}

static void *early_memory(size_t size)
{
	void *memory = early + early_used;

	size = (size + 15) & ~(size_t)15;
	if (size > sizeof early - early_used)
		abort();
	early_used += size;
	return memory;
}

static int is_early(const void *memory)
{
	return (const char *)memory >= early && (const char *)memory < early + sizeof early;
}

void *malloc(size_t size)
{
	find_real();
	return real_malloc != NULL ? count(real_malloc(size)) : early_memory(size);
}

void *calloc(size_t number, size_t size)
{
	find_real();
	return real_calloc != NULL ? count(real_calloc(number, size)) : early_memory(number * size);
}

void *realloc(void *memory, size_t size)
{
	find_real();
	if (memory != NULL)
		in_use -= malloc_usable_size(memory);
	return count(real_realloc(memory, size));
}

void free(void *memory)
{
	if (memory == NULL || is_early(memory))
		return;
	in_use -= malloc_usable_size(memory);
	real_free(memory);
}

void heap_reset_peak(void)
{
	base = peak = in_use;
}

size_t heap_peak(void)
{
	return peak - base;
}
