// The WebSocket side of the mock exchange: pushes ticks at their time and takes the time until each one's order arrives.
//
// A stream at /ws/RATE/TICKS begins with its subscription: RATE pushes a second whether or not orders follow (open loop), or,
// with RATE 0, each one as soon as the order of the last has come. An order answers the tick whose bid is its price: frame
// i of a channel has a bid of i cents modulo the number of its frames.
#include <stdint.h>

enum { MOST_PUSHES = 4096, MOST_TICKS = 1 << 18, LOST_NS = 2000000000 };

typedef struct { char channel[96]; uint8_t *bytes; size_t length; } Push;  // one frame, header and all
typedef struct { int64_t sent_ns, waited_ns; } Tick;                       // waited_ns: -1 until its order came

static Push pushes[MOST_PUSHES];
static int push_count;
static Tick ticks[MOST_TICKS];
static int tick_count;   // pushed in this run
static int tick_most;    // to be pushed in this run
static int64_t step_ns;  // 0: a push follows an order
static int64_t due_ns;
static Push *ring;       // the frames of the channel that was subscribed
static int ring_count;
static int stream_fd = -1;

static int64_t now_ns(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec * 1000000000LL + now.tv_nsec;
}

static size_t frame_head(uint8_t *head, int opcode, size_t length) {
  head[0] = 0x80 | opcode;
  if (length < 126) return head[1] = length, 2;
  head[1] = 126, head[2] = length >> 8, head[3] = length;
  return 4;
}

// Frames of one channel stand together. -1: too many, or too long.
static int add_push(const char *channel, const char *body, size_t length) {
  if (push_count == MOST_PUSHES || length > 0xffff) return -1;
  Push *push = &pushes[push_count++];
  snprintf(push->channel, sizeof push->channel, "%s", channel);
  if (!(push->bytes = malloc(length + 4))) return -1;
  size_t head = frame_head(push->bytes, 2, length);
  memcpy(push->bytes + head, body, length);
  push->length = head + length;
  return 0;
}

static int send_all(int fd, const void *bytes, size_t length) {
  for (size_t at = 0; at < length;) {
    ssize_t sent = send(fd, (const char *)bytes + at, length - at, MSG_NOSIGNAL);
    if (sent < 0) return -1;  // the socket blocks: a client that does not read is of no use here
    at += sent;
  }
  return 0;
}

static void push_next(void) {
  Push *push = &ring[tick_count % ring_count];
  Tick *tick = &ticks[tick_count++];
  tick->waited_ns = -1;
  tick->sent_ns = now_ns();
  due_ns = step_ns ? due_ns + step_ns : tick->sent_ns + LOST_NS;
  if (send_all(stream_fd, push->bytes, push->length) < 0) stream_fd = -1;
}

static int is_pushing(void) { return stream_fd >= 0 && tick_count < tick_most; }
static void push_due(void) { while (is_pushing() && now_ns() >= due_ns) push_next(); }

// An order came at `now`: it answers the newest tick with its price, once.
static void order_came(const char *request, int64_t now) {
  const char *price = strstr(request, "price=");
  if (!price || !ring_count) return;
  char *end;
  long cents = strtol(price + 6, &end, 10) * 100;
  if (*end == '.' && end[1] >= '0' && end[1] <= '9') {
    cents += (end[1] - '0') * 10;
    if (end[2] >= '0' && end[2] <= '9') cents += end[2] - '0';
  }
  int back = ((tick_count - 1) % ring_count - (int)(cents % ring_count) + ring_count) % ring_count;
  int index = tick_count - 1 - back;
  if (index < 0 || ticks[index].waited_ns >= 0) return;
  ticks[index].waited_ns = now - ticks[index].sent_ns;
  if (!step_ns && index == tick_count - 1) due_ns = now;
}

// Nanoseconds from each push to its order, -1 where none came, as a JSON list.
static size_t list_ticks(char *out, size_t room) {
  size_t at = 0;
  out[at++] = '[';
  for (int i = 0; i < tick_count && at + 24 < room; i++)
    at += sprintf(out + at, i ? ",%lld" : "%lld", (long long)ticks[i].waited_ns);
  out[at++] = ']';
  return at;
}

// --- the handshake ---

static uint32_t rotated(uint32_t value, int bits) { return value << bits | value >> (32 - bits); }

static void sha1_block(uint32_t state[5], const uint8_t *block) {
  uint32_t w[80], a = state[0], b = state[1], c = state[2], d = state[3], e = state[4];
  for (int i = 0; i < 16; i++)
    w[i] = (uint32_t)block[4 * i] << 24 | block[4 * i + 1] << 16 | block[4 * i + 2] << 8 | block[4 * i + 3];
  for (int i = 16; i < 80; i++) w[i] = rotated(w[i - 3] ^ w[i - 8] ^ w[i - 14] ^ w[i - 16], 1);
  for (int i = 0; i < 80; i++) {
    uint32_t f = i < 20 ? (b & c) | (~b & d) : i < 40 || i >= 60 ? b ^ c ^ d : (b & c) | (b & d) | (c & d);
    uint32_t k = i < 20 ? 0x5A827999 : i < 40 ? 0x6ED9EBA1 : i < 60 ? 0x8F1BBCDC : 0xCA62C1D6;
    uint32_t next = rotated(a, 5) + f + e + k + w[i];
    e = d, d = c, c = rotated(b, 30), b = a, a = next;
  }
  state[0] += a, state[1] += b, state[2] += c, state[3] += d, state[4] += e;
}

// The answer to a key of 24 characters: base64(sha1(key + GUID)), 28 characters. Its 60 bytes make two blocks.
static void accept_key(const char *key, char out[29]) {
  static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  uint8_t block[128] = {0}, digest[21] = {0};
  uint32_t state[5] = {0x67452301, 0xEFCDAB89, 0x98BADCFE, 0x10325476, 0xC3D2E1F0};
  memcpy(block, key, 24);
  memcpy(block + 24, "258EAFA5-E914-47DA-95CA-C5AB0DC85B11", 36);
  block[60] = 0x80, block[126] = 60 * 8 >> 8, block[127] = (60 * 8) & 255;
  sha1_block(state, block);
  sha1_block(state, block + 64);
  for (int i = 0; i < 20; i++) digest[i] = state[i / 4] >> (24 - 8 * (i % 4));
  for (int i = 0; i < 7; i++) {
    uint32_t three = digest[3 * i] << 16 | digest[3 * i + 1] << 8 | digest[3 * i + 2];
    for (int j = 0; j < 4; j++) out[4 * i + j] = letters[three >> (18 - 6 * j) & 63];
  }
  out[27] = '=', out[28] = 0;
}

// Open a stream; -1 if that is not what the request asks for properly.
static int open_stream(int fd, const char *request, const char *key) {
  double rate;
  key += strspn(key, " ");
  if (sscanf(request, "GET /ws/%lf/%d", &rate, &tick_most) != 2 || strcspn(key, "\r") != 24) return -1;
  if (rate < 0 || tick_most < 0 || tick_most > MOST_TICKS) return -1;
  step_ns = rate > 0 ? 1e9 / rate : 0;
  char accept[29], answer[256];
  accept_key(key, accept);
  int length = snprintf(answer, sizeof answer,
                        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                        "Sec-WebSocket-Accept: %s\r\n\r\n", accept);
  return send_all(fd, answer, length);
}

// --- messages of the client ---

static int send_text(int fd, const char *text, size_t length) {
  uint8_t head[4];
  return send_all(fd, head, frame_head(head, 1, length)) < 0 ? -1 : send_all(fd, text, length);
}

static int take_text(int fd, const char *text) {
  char answer[1024], asked[512] = "PONG";
  const char *id = strstr(text, "\"id\":"), *names = strchr(text, '[');
  if (names) {
    size_t at = 0;
    for (names++; *names && *names != ']' && at < sizeof asked - 1; names++)
      if (*names != '"' && *names != ' ') asked[at++] = *names;
    asked[at] = 0;
  }
  int length = snprintf(answer, sizeof answer, "{\"id\":%ld,\"code\":0,\"msg\":\"%s\"}", id ? strtol(id + 5, NULL, 10) : 0L, asked);
  if (send_text(fd, answer, length) < 0) return -1;
  if (!strstr(text, "\"SUBSCRIPTION\"")) return 0;
  ring_count = 0;
  for (Push *push = pushes; push < pushes + push_count; push++)
    if (strstr(asked, push->channel) && !ring_count++) ring = push;
  if (!ring_count) return -1;
  stream_fd = fd, tick_count = 0;
  due_ns = now_ns() + 20000000;
  return 0;
}

// Take every whole message of the client; bytes used, or -1 to end the connection.
static long take_messages(int fd, uint8_t *in, size_t filled) {
  size_t used = 0;
  for (;;) {
    uint8_t *at = in + used;
    size_t left = filled - used, length, head = 6;
    if (left < 6) return used;
    length = at[1] & 127;
    if (length == 126) length = at[2] << 8 | at[3], head = 8;
    if (length == 127 || length > 4096) return -1;
    if (left < head + length) return used;
    char text[4097];
    for (size_t i = 0; i < length; i++) text[i] = at[head + i] ^ at[head - 4 + (i & 3)];
    text[length] = 0;
    used += head + length;
    int opcode = at[0] & 15;
    if (opcode == 8) return -1;
    if (opcode == 9) {
      uint8_t pong[4];
      if (send_all(fd, pong, frame_head(pong, 10, length)) < 0 || send_all(fd, text, length) < 0) return -1;
    }
    if (opcode == 1 && take_text(fd, text) < 0) return -1;
  }
}
