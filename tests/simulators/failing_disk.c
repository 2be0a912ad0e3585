/* A disk that fails on demand, for LD_PRELOAD: the file named by FAILING_DISK says how; an empty or missing file, not at all.
 * "sync": EIO from fsync and fdatasync. "full": ENOSPC, "read-only": EROFS, from writes to regular files. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <unistd.h>

static int mode(void) {
  static ssize_t (*read_)(int, void *, size_t);
  const char *path = getenv("FAILING_DISK");
  char first = 0;
  int saved = errno, handle = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
  if (handle >= 0) {
    if (!read_) read_ = dlsym(RTLD_NEXT, "read");
    if (read_(handle, &first, 1) != 1) first = 0;
    close(handle);
  }
  errno = saved;
  return first;
}

static int refused(int handle) {
  struct stat found;
  int how = mode();
  if ((how != 'f' && how != 'r') || fstat(handle, &found) || !S_ISREG(found.st_mode)) return 0;
  errno = how == 'r' ? EROFS : ENOSPC;
  return 1;
}

int fsync(int handle) {
  static int (*next)(int);
  if (mode() == 's') { errno = EIO; return -1; }
  if (!next) next = dlsym(RTLD_NEXT, "fsync");
  return next(handle);
}

int fdatasync(int handle) {
  static int (*next)(int);
  if (mode() == 's') { errno = EIO; return -1; }
  if (!next) next = dlsym(RTLD_NEXT, "fdatasync");
  return next(handle);
}

ssize_t write(int handle, const void *from, size_t count) {
  static ssize_t (*next)(int, const void *, size_t);
  if (refused(handle)) return -1;
  if (!next) next = dlsym(RTLD_NEXT, "write");
  return next(handle, from, count);
}

ssize_t pwrite(int handle, const void *from, size_t count, off_t at) {
  static ssize_t (*next)(int, const void *, size_t, off_t);
  if (refused(handle)) return -1;
  if (!next) next = dlsym(RTLD_NEXT, "pwrite");
  return next(handle, from, count, at);
}

ssize_t pwrite64(int handle, const void *from, size_t count, off64_t at) {
  static ssize_t (*next)(int, const void *, size_t, off64_t);
  if (refused(handle)) return -1;
  if (!next) next = dlsym(RTLD_NEXT, "pwrite64");
  return next(handle, from, count, at);
}
