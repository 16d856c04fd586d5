/* Arguments, start and stop. */
#define _GNU_SOURCE
#include "wire.h"

#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define USAGE "usage: wire --control PATH [--seed N] [--spin-us US]"

char complaint[512];

bool complain(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(complaint, sizeof complaint, format, arguments);
    va_end(arguments);
    return false;
}

void die(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    fputs("wire: ", stderr);
    vfprintf(stderr, format, arguments);
    fputc('\n', stderr);
    exit(1);
}

static double number_argument(const char *name, const char *text, double highest)
{
    char *end;
    double value = strtod(text, &end);
    if (end == text || *end || !(value >= 0 && value <= highest))
        die("--%s: got \"%s\"; want a number from 0 to %.0f", name, text, highest);
    return value;
}

static const char *read_arguments(int argc, char **argv)
{
    static const struct option OPTIONS[] = {{"control", required_argument, NULL, 'c'},
                                            {"seed", required_argument, NULL, 's'},
                                            {"spin-us", required_argument, NULL, 'u'},
                                            {NULL, 0, NULL, 0}};
    const char *path = NULL;
    for (int option; (option = getopt_long(argc, argv, "", OPTIONS, NULL)) != -1;) {
        if (option == 'c')
            path = optarg;
        else if (option == 's')
            seed = (uint64_t)number_argument("seed", optarg, 0x1p53);
        else if (option == 'u')
            spin_ns = (int64_t)(number_argument("spin-us", optarg, 1e4) * 1e3);
        else
            die(USAGE);
    }
    if (!path || optind != argc)
        die(USAGE);
    return path;
}

static int listen_on(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    if (strlen(path) >= sizeof address.sun_path)
        die("%s: want a path of at most %zu characters", path, sizeof address.sun_path - 1);
    strcpy(address.sun_path, path);
    umask(0077);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof address) < 0 || listen(fd, 8) < 0)
        die("%s: %s", path, strerror(errno));
    return fd;
}

static void allow_many_files(void)
{
    struct rlimit files;
    if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
        files.rlim_cur = files.rlim_max;
        setrlimit(RLIMIT_NOFILE, &files);
    }
}

static int catch_termination(void)
{
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGTERM);
    sigprocmask(SIG_BLOCK, &signals, NULL);
    signal(SIGPIPE, SIG_IGN);
    return signalfd(-1, &signals, SFD_CLOEXEC);
}

int main(int argc, char **argv)
{
    const char *path = read_arguments(argc, argv);
    setvbuf(stdout, NULL, _IOLBF, 0);
    allow_many_files();
    int terminated = catch_termination();
    bool realtime = start_data_thread();
    int listener = listen_on(path);
    printf("{\"event\":\"ready\",\"t\":%.6f,\"realtime\":%s}\n", (double)clock_ns() / 1e9, realtime ? "true" : "false");
    serve_control(listener, terminated);
    unlink(path);
    close_all_links();
    return 0;
}
