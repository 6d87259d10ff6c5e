// A program around the static library with no C library in it: it starts, ends, and complains by system calls of Linux on
// aarch64, and has the five functions that compilers call without being asked.
#include <stddef.h>

void bondbox_run(void);

static long call(long number, long first, long second, long third) {
	register long x8 __asm__("x8") = number;
	register long x0 __asm__("x0") = first;
	register long x1 __asm__("x1") = second;
	register long x2 __asm__("x2") = third;
	__asm__ volatile("svc 0" : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2) : "memory");
	return x0;
}

enum { WRITE = 64, EXIT_GROUP = 94 };

void complain(const unsigned char *bytes, size_t len) { call(WRITE, 2, (long)bytes, (long)len); }

_Noreturn void fail(void) {
	for (;;) call(EXIT_GROUP, 1, 0, 0);
}

_Noreturn void _start(void) {
	bondbox_run();
	for (;;) call(EXIT_GROUP, 0, 0, 0);
}

void *memcpy(void *restrict to, const void *restrict from, size_t len) {
	unsigned char *t = to;
	const unsigned char *f = from;
	while (len--) *t++ = *f++;
	return to;
}

void *memmove(void *to, const void *from, size_t len) {
	unsigned char *t = to;
	const unsigned char *f = from;
	if (t <= f)
		while (len--) *t++ = *f++;
	else
		while (len--) t[len] = f[len];
	return to;
}

void *memset(void *to, int byte, size_t len) {
	unsigned char *t = to;
	while (len--) *t++ = (unsigned char)byte;
	return to;
}

int memcmp(const void *one, const void *other, size_t len) {
	const unsigned char *a = one, *b = other;
	for (; len; len--, a++, b++)
		if (*a != *b) return *a - *b;
	return 0;
}

int bcmp(const void *one, const void *other, size_t len) { return memcmp(one, other, len); }

// Core libraries are compiled for programs that unwind, and name what finds out how. Here nothing unwinds.
void rust_eh_personality(void) { fail(); }
