#include "heap.h"

#include <dlfcn.h>
#include <errno.h>
#include <malloc.h>
#include <stdalign.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

/* Several threads may allocate, but the peak is exact only if one does. Signed, because older
   memory may be freed meanwhile. */
static bool counting;
static _Atomic long in_use, peak;

static void *(*real_malloc)(size_t);
static void *(*real_realloc)(void *, size_t);
static void *(*real_aligned_alloc)(size_t, size_t);
static void (*real_free)(void *);

/* dlsym() itself may allocate before it has returned the real functions. */
static alignas(max_align_t) char early[4096];
static size_t early_used;

static void find_real(void)
{
	static bool looking;

	if (looking)
		return;
	looking = true;
	*(void **)&real_malloc = dlsym(RTLD_NEXT, "malloc");
	*(void **)&real_realloc = dlsym(RTLD_NEXT, "realloc");
	*(void **)&real_aligned_alloc = dlsym(RTLD_NEXT, "aligned_alloc");
	*(void **)&real_free = dlsym(RTLD_NEXT, "free");
}

static void *early_memory(size_t size)
{
	void *memory = early + early_used;

	size = (size + 15) & ~(size_t)15;
	if (size > sizeof(early) - early_used)
		abort();
	early_used += size;
	return memory;
}

static bool is_early(const void *memory)
{
	return (const char *)memory >= early && (const char *)memory < early + sizeof(early);
}

static void *taken(void *memory)
{
	if (counting && memory != NULL) {
		long size = (long)malloc_usable_size(memory);
		long now = atomic_fetch_add_explicit(&in_use, size, memory_order_relaxed) + size;

		if (now > atomic_load_explicit(&peak, memory_order_relaxed))
			atomic_store_explicit(&peak, now, memory_order_relaxed);
	}
	return memory;
}

static void given_back(void *memory)
{
	if (counting && memory != NULL)
		atomic_fetch_sub_explicit(&in_use, (long)malloc_usable_size(memory),
					  memory_order_relaxed);
}

void *malloc(size_t size)
{
	if (real_malloc == NULL)
		find_real();
	return real_malloc != NULL ? taken(real_malloc(size)) : early_memory(size);
}

/* Not the real calloc(): musl's calls malloc(), which is ours, and the memory would count
   twice. */
void *calloc(size_t number, size_t size)
{
	size_t total;
	void *memory;

	if (__builtin_mul_overflow(number, size, &total)) {
		errno = ENOMEM;
		return NULL;
	}
	if (real_malloc == NULL)
		find_real();
	memory = real_malloc != NULL ? taken(real_malloc(total)) : early_memory(total);
	return memory != NULL ? memset(memory, 0, total) : NULL;
}

/* musl's fails if malloc() is replaced and this is not; GLib ends the program then. */
void *aligned_alloc(size_t alignment, size_t size)
{
	if (real_aligned_alloc == NULL)
		find_real();
	return taken(real_aligned_alloc(alignment, size));
}

void *realloc(void *memory, size_t size)
{
	if (real_realloc == NULL)
		find_real();
	given_back(memory);
	return taken(real_realloc(memory, size));
}

void free(void *memory)
{
	if (memory == NULL || is_early(memory))
		return;
	given_back(memory);
	real_free(memory);
}

void heap_start(void)
{
	in_use = 0;
	peak = 0;
	counting = true;
}

long heap_in_use(void)
{
	return in_use;
}

size_t heap_stop(void)
{
	counting = false;
	return (size_t)peak;
}
