// SPDX-License-Identifier: Apache-2.0
/* attacks_block HOW DIR COUNT: an accept by i386's socketcall, whose block of arguments names another socket when it ends. HOW it is exchanged: by a
 * `thread`, by a `process` that shares the page, or not (`nobody`); or a thread takes the page away (`gone`). "real FD". Ends with 77 where there is no int 0x80.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <pthread.h>
#include <sys/socket.h>

#include "attacks.h"

static unsigned *block;
static int decoy;
static bool gone;
static struct sockaddr_in address;

static long socketcall(long call)
{
	long r;

	__asm__ volatile("int $0x80" : "=a"(r) : "a"(102), "b"(call), "c"(block) : "memory", "r8", "r9", "r10", "r11");
	return r;
}

static int listener(struct sockaddr_in *a)
{
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	socklen_t n = sizeof(*a);

	*a = (struct sockaddr_in){ .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	if (bind(fd, (struct sockaddr *)a, n) || listen(fd, 4) || getsockname(fd, (struct sockaddr *)a, &n))
		die("listen");
	return fd;
}

static void *exchange(void *how)
{
	usleep(200000);
	if (gone)
		munmap(block, 4096);
	else if (how)
		block[0] = (unsigned)decoy;
	if (connect(socket(AF_INET, SOCK_STREAM, 0), (struct sockaddr *)&address, sizeof(address)))
		die("connect");
	return NULL;
}

int main(int argc, char **argv)
{
	static const char *const names[] = { "connect", NULL };
	struct sockaddr_in unused;
	bool thread;
	pthread_t t;
	int real;

	if (argc != 4)
		usage("attacks_block thread|process|gone|nobody DIR COUNT");
	gone = !strcmp(argv[1], "gone");
	thread = gone || !strcmp(argv[1], "thread");
	attacks_begin(names, 0);
	block = mmap(NULL, 4096, PROT_READ | PROT_WRITE, (!strcmp(argv[1], "process") ? MAP_SHARED : MAP_PRIVATE) | MAP_ANONYMOUS | MAP_32BIT, -1, 0);
	real = listener(&address);
	decoy = listener(&unused);
	block[0] = (unsigned)real;
	if (thread && pthread_create(&t, NULL, exchange, argv))
		die("pthread_create");
	if (!thread && !fork()) {
		exchange(strcmp(argv[1], "nobody") ? argv : NULL);
		_exit(0);
	}
	if (socketcall(5) < 0)
		exit(77);
	printf("real %d\n", real);
	return 0;
}
