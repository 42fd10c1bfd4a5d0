// A server of HTTP/1.1 that answers with bytes made beforehand, fast enough not to be what is measured.
//
//     mock_exchange ROUTES [CORE]
//
// ROUTES holds "METHOD PATH LENGTH\n" and a body of LENGTH bytes, again and again; what is not listed is answered with {}.
// "PUSH CHANNEL LENGTH" is a frame that streams bring (mock_ticks.h). GET /api/v3/time tells the time, GET /last gives back
// the last order as it came, GET /ticks tells how long each tick waited for its order. Nothing is checked.
// It prints its port, serves on loopback, and ends when its standard input is closed. With CORE it has that core to
// itself and never sleeps.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "mock_ticks.h"

enum { MOST_ROUTES = 32, IN_BYTES = 1 << 16, HEAD_BYTES = 1024 };

typedef struct { char name[128]; char *body; size_t length;
  char *id;
} Route;
typedef struct { int fd; int is_stream; size_t filled; char in[IN_BYTES + 1]; } Connection;

static Route routes[MOST_ROUTES];
static int route_count;
static char last[IN_BYTES + 1];
static size_t last_length;
static unsigned long answered;

static void fail(const char *what) { perror(what); exit(1); }

static void load(const char *path) {
  FILE *file = fopen(path, "rb");
  if (!file) fail(path);
  char method[16], target[96];
  size_t length;
  while (route_count < MOST_ROUTES && fscanf(file, "%15s %95s %zu", method, target, &length) == 3) {
    char *body = malloc(length + 1);
    if (!body || fgetc(file) != '\n' || fread(body, 1, length, file) != length) fail(path);
    if (!strcmp(method, "PUSH")) {
      if (add_push(target, body, length) < 0) fail("too many or too long pushes");
      free(body);
      continue;
    }
    Route *route = &routes[route_count++];
    snprintf(route->name, sizeof route->name, "%s %s", method, target);
    route->length = length;
    route->body = body;
    body[length] = 0;
    route->id = strstr(body, "C02__");
  }
  fclose(file);
}

// A head as gateways write it: many fields, two of which are never the same for long.
static int send_answer(int fd, const char *body, size_t length) {
  static char out[HEAD_BYTES + (1 << 22)];
  static char date[64];
  static time_t dated;
  time_t now = time(NULL);
  if (now != dated) {
    struct tm utc;
    strftime(date, sizeof date, "%a, %d %b %Y %H:%M:%S GMT", gmtime_r(&now, &utc));
    dated = now;
  }
  int head = snprintf(out, HEAD_BYTES,
                      "HTTP/1.1 200 OK\r\nContent-Type: application/json;charset=utf-8\r\nContent-Length: %zu\r\n"
                      "Server: mock\r\nDate: %s\r\nCache-Control: no-cache, no-store, max-age=0, must-revalidate\r\n"
                      "Pragma: no-cache\r\nX-Content-Type-Options: nosniff\r\nX-Frame-Options: DENY\r\n"
                      "Strict-Transport-Security: max-age=31536000\r\nX-Request-Id: %016lx\r\n"
                      "Connection: keep-alive\r\n\r\n", length, date, ++answered);
  if (length > sizeof out - HEAD_BYTES) return -1;
  memcpy(out + head, body, length);
  return send_all(fd, out, head + length);
}

static int answer(int fd, const char *request, size_t length, int64_t now) {
  const char *path = strchr(request, ' ');
  if (!path) return -1;
  size_t name = (path + 1 - request) + strcspn(path + 1, " ?\r");
  if (name == 18 && !memcmp(request, "POST /api/v3/order", 18)) {
    memcpy(last, request, last_length = length);
    last[length] = 0;
    order_came(last, now);
  }
  if (name == 16 && !memcmp(request, "GET /api/v3/time", 16)) {
    struct timespec told;
    clock_gettime(CLOCK_REALTIME, &told);
    char body[64];
    long long ms = told.tv_sec * 1000LL + told.tv_nsec / 1000000;
    return send_answer(fd, body, snprintf(body, sizeof body, "{\"serverTime\":%lld}", ms));
  }
  if (name == 9 && !memcmp(request, "GET /last", 9)) return send_answer(fd, last, last_length);
  if (name == 10 && !memcmp(request, "GET /ticks", 10)) {
    static char list[1 << 22];
    return send_answer(fd, list, list_ticks(list, sizeof list));
  }
  for (Route *route = routes; route < routes + route_count; route++)
    if (strlen(route->name) == name && !memcmp(request, route->name, name)) {
      if (route->id)  // every order gets an id of its own
        for (char *digit = route->id + 25; ++*digit > '9'; digit--) *digit = '0';
      return send_answer(fd, route->body, route->length);
    }
  return send_answer(fd, "{}", 2);
}

// Drop what was used, keep the rest for later; -1 if nothing could be used, or there is no room for more.
static int keep(Connection *connection, long used) {
  if (used < 0) return -1;
  connection->filled -= used;
  memmove(connection->in, connection->in + used, connection->filled);
  return connection->filled < IN_BYTES ? 0 : -1;
}

// Answer every request that is complete; -1 ends the connection.
static int serve(Connection *connection) {
  ssize_t got = recv(connection->fd, connection->in + connection->filled, IN_BYTES - connection->filled, MSG_DONTWAIT);
  if (got <= 0) return -1;
  int64_t now = now_ns();
  connection->filled += got;
  connection->in[connection->filled] = 0;
  if (connection->is_stream) return keep(connection, take_messages(connection->fd, (void *)connection->in, connection->filled));
  char *at = connection->in, *end = at + connection->filled, *head_end;
  while ((head_end = memmem(at, end - at, "\r\n\r\n", 4))) {
    *head_end = 0;
    char *field = strcasestr(at, "\r\ncontent-length:"), *key = strcasestr(at, "\r\nsec-websocket-key:");
    *head_end = '\r';
    if (key) {
      connection->is_stream = 1;
      return open_stream(connection->fd, at, key + 20) < 0 ? -1 : keep(connection, head_end + 4 - connection->in);
    }
    size_t length = head_end + 4 - at + (field ? strtoul(field + 17, NULL, 10) : 0);
    if ((size_t)(end - at) < length) break;
    if (answer(connection->fd, at, length, now) < 0) return -1;
    at += length;
  }
  return keep(connection, at - connection->in);
}

static int listen_here(void) {
  int fd = socket(AF_INET, SOCK_STREAM, 0);
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  socklen_t size = sizeof address;
  if (fd < 0 || bind(fd, (void *)&address, size) || listen(fd, 1024)) fail("listen");
  if (getsockname(fd, (void *)&address, &size)) fail("getsockname");
  printf("%d\n", ntohs(address.sin_port));
  fflush(stdout);
  return fd;
}

static void watch(int epoll, int fd, void *tag) {
  struct epoll_event event = {.events = EPOLLIN, .data.ptr = tag};
  if (epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event)) fail("epoll_ctl");
}

int main(int count, char **arguments) {
  if (count < 2) return 2;
  load(arguments[1]);
  int timeout = -1;
  if (count > 2) {
    cpu_set_t cores;
    CPU_ZERO(&cores);
    CPU_SET(atoi(arguments[2]), &cores);
    if (sched_setaffinity(0, sizeof cores, &cores)) fail("sched_setaffinity");
    timeout = 0;
  }
  int epoll = epoll_create1(0), listener = listen_here(), one = 1;
  watch(epoll, listener, &listener);
  watch(epoll, STDIN_FILENO, NULL);
  struct epoll_event events[64];
  for (;;) {
    push_due();
    int ready = epoll_wait(epoll, events, 64, timeout < 0 && is_pushing() ? (step_ns ? 0 : 50) : timeout);
    for (struct epoll_event *event = events; event < events + ready; event++) {
      Connection *connection = event->data.ptr;
      if (!connection) return 0;  // nothing is ever written to standard input: it is readable once it is closed
      if (event->data.ptr == &listener) {
        if (!(connection = malloc(sizeof *connection))) fail("malloc");
        connection->filled = connection->is_stream = 0;
        connection->fd = accept(listener, NULL, NULL);
        setsockopt(connection->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
        watch(epoll, connection->fd, connection);
      } else if (serve(connection) < 0) {
        if (connection->fd == stream_fd) stream_fd = -1;
        close(connection->fd);
        free(connection);
      }
    }
  }
}
