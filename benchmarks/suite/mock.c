/* A mock exchange that is never what is measured: one thread, epoll, prebuilt answers.
 *
 *     cc -O2 -o mock mock.c -lssl -lcrypto
 *     ./mock CERTIFICATE.pem KEY.pem
 *
 * It prints {"tls": PORT, "plain": PORT} and reads commands from its standard input, one a line.
 * Each is answered by one line of JSON:
 *
 *     set ORDERS MICROSECONDS   from now on an answer has so many orders, and takes so long
 *     mark                      forget what was counted
 *     report                    say what was counted since the mark
 *
 * All times are nanoseconds of CLOCK_MONOTONIC, which is Python's time.perf_counter_ns() on Linux.
 * The mock ends with its standard input.
 *
 * POST /session/cancelAllOrdersForGame and the message cancelAllByGame are answered after the delay,
 * and so is GET /user/getUnmatched, which is always empty. Logins, GET /user/getMe, handshakes, pings
 * and closes are answered at once. Any token will do. The delay is the same for all requests, so that
 * a queue does for a timer wheel. What arrives in one read is answered together.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/sha.h>
#include <openssl/ssl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#define GAME 24          /* characters of a game id */
#define ID 64            /* at most, of a request id */
#define READ (64 * 1024) /* bytes of one read */
#define ENOUGH (1 << 20) /* bytes that are gathered before they are written */

enum kind { OVER_REST, OVER_SOCKET, UNMATCHED };

struct buffer {
    char *at;
    size_t length, size;
};

struct connection {
    int fd, wants_out, upgraded, dirty, closing;
    unsigned generation;
    SSL *tls;
    struct buffer in, out;
    size_t written;
    struct connection *next_free, *next_dirty;
};

struct due {
    uint64_t when;
    struct connection *connection;
    unsigned generation;
    enum kind kind;
    uint8_t id_length;
    char game[GAME], id[ID];
};

/* An answer with the places of its game ids. */
struct template {
    struct buffer text;
    size_t *places;
    int games;
};

static SSL_CTX *context;
static int poll_fd, timer_fd;
static struct due *queue;
static size_t queue_size = 1 << 14, queue_first, queue_count;
static struct connection *unused, *dirty;
static struct template rest, socket_rows;
static uint64_t delay;
static struct {
    uint64_t began, first, last, answered, cpu_began, cpu_answered;
    unsigned long requests, answers, accepted;
} seen;

static void fail(const char *what) {
    perror(what);
    exit(1);
}

static uint64_t clock_of(clockid_t which) {
    struct timespec now;
    clock_gettime(which, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static uint64_t now(void) { return clock_of(CLOCK_MONOTONIC); }
static uint64_t cpu(void) { return clock_of(CLOCK_PROCESS_CPUTIME_ID); }

/* Return room for so many more bytes at the end of a buffer. */
static char *room(struct buffer *buffer, size_t more) {
    if (buffer->length + more > buffer->size) {
        size_t size = buffer->size ? buffer->size : 4096;
        while (size < buffer->length + more)
            size *= 2;
        if (!(buffer->at = realloc(buffer->at, size)))
            fail("memory");
        buffer->size = size;
    }
    return buffer->at + buffer->length;
}

static void add(struct buffer *buffer, const void *bytes, size_t length) {
    memcpy(room(buffer, length), bytes, length);
    buffer->length += length;
}

static void add_text(struct buffer *buffer, const char *text) { add(buffer, text, strlen(text)); }

/* Build the answers with so many orders. */
static void build(struct template *made, int orders, int over_socket) {
    char order[512];
    made->text.length = 0;
    made->games = orders;
    made->places = realloc(made->places, sizeof(size_t) * (size_t)(orders + 1));
    add_text(&made->text, over_socket ? "[" : "{\"data\":[");
    for (int each = 0; each < orders; each++) {
        snprintf(order, sizeof order,
                 "%s{\"success\":true,\"%s\":\"65b036df%016x\",\"description\":\"Lakers -3.5 -110\","
                 "\"odds\":-110,\"filled\":10.5,\"offered\":0,\"remaining\":89.5,%s\"gameID\":\"",
                 each ? "," : "", over_socket ? "orderID" : "sessionID", each,
                 over_socket ? "\"side\":\"home\",\"number\":-3.5," : "");
        add_text(&made->text, order);
        made->places[each] = made->text.length;
        add_text(&made->text, "000000000000000000000000\"");
        snprintf(order, sizeof order, ",\"userReference\":\"ref-%d\"}", each);
        add_text(&made->text, order);
    }
    add_text(&made->text, over_socket ? "]" : "]}");
}

static void put(struct buffer *out, const struct template *of, const char *game) {
    char *start = room(out, of->text.length);
    memcpy(start, of->text.at, of->text.length);
    for (int each = 0; each < of->games; each++)
        memcpy(start + of->places[each], game, GAME);
    out->length += of->text.length;
}

static void interest(struct connection *c, int out) {
    if (c->wants_out == out)
        return;
    struct epoll_event event = {.events = EPOLLIN | (out ? EPOLLOUT : 0), .data.ptr = c};
    c->wants_out = out;
    epoll_ctl(poll_fd, EPOLL_CTL_MOD, c->fd, &event);
}

static void drop(struct connection *c) {
    if (c->fd < 0)
        return;
    if (c->tls) {
        SSL_free(c->tls);
        c->tls = NULL;
        ERR_clear_error();
    }
    close(c->fd);
    c->fd = -1;
    c->generation++;
    c->in.length = c->out.length = c->written = 0;
    c->upgraded = c->wants_out = c->closing = 0;
    if (!c->dirty) {
        c->next_free = unused;
        unused = c;
    }
}

static void soil(struct connection *c) {
    if (!c->dirty) {
        c->dirty = 1;
        c->next_dirty = dirty;
        dirty = c;
    }
}

/* Write what there is. The rest follows when the peer has read. */
static void flush(struct connection *c) {
    while (c->fd >= 0 && c->written < c->out.length) {
        size_t left = c->out.length - c->written;
        ssize_t sent;
        if (c->tls) {
            sent = SSL_write(c->tls, c->out.at + c->written, left > INT32_MAX ? INT32_MAX : (int)left);
            if (sent <= 0) {
                int why = SSL_get_error(c->tls, (int)sent);
                if (why != SSL_ERROR_WANT_WRITE && why != SSL_ERROR_WANT_READ) {
                    drop(c);
                    return;
                }
                interest(c, 1);
                return;
            }
        } else {
            sent = send(c->fd, c->out.at + c->written, left, MSG_NOSIGNAL);
            if (sent < 0) {
                if (errno != EAGAIN) {
                    drop(c);
                    return;
                }
                interest(c, 1);
                return;
            }
        }
        c->written += (size_t)sent;
    }
    if (c->fd < 0)
        return;
    c->out.length = c->written = 0;
    interest(c, 0);
    seen.answered = now();
    seen.cpu_answered = cpu();
    if (c->closing)
        drop(c);
}

static void flush_all(void) {
    while (dirty) {
        struct connection *c = dirty;
        dirty = c->next_dirty;
        c->dirty = 0;
        if (c->fd >= 0)
            flush(c);
        else {
            c->next_free = unused;
            unused = c;
        }
    }
}

static void frame_head(struct buffer *out, int opcode, size_t size) {
    unsigned char head[10] = {(unsigned char)(0x80 | opcode)};
    if (size < 126) {
        head[1] = (unsigned char)size;
        add(out, head, 2);
    } else if (size < 1 << 16) {
        head[1] = 126, head[2] = (unsigned char)(size >> 8), head[3] = (unsigned char)size;
        add(out, head, 4);
    } else {
        head[1] = 127;
        for (int each = 0; each < 8; each++)
            head[9 - each] = (unsigned char)((uint64_t)size >> (8 * each));
        add(out, head, 10);
    }
}

static void respond(struct buffer *out, size_t length) {
    char head[128];
    add(out, head,
        (size_t)snprintf(head, sizeof head,
                         "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %zu\r\n\r\n",
                         length));
}

static void respond_with(struct connection *c, const char *body) {
    respond(&c->out, strlen(body));
    add_text(&c->out, body);
    soil(c);
}

static void answer(const struct due *due) {
    struct connection *c = due->connection;
    struct buffer *out = &c->out;
    if (due->kind == UNMATCHED) {
        respond_with(c, "{\"data\":{\"unmatched\":[]}}");
        return;
    }
    if (due->kind == OVER_REST) {
        respond(out, rest.text.length);
        put(out, &rest, due->game);
    } else {
        /* {"requestID":"…","data":…} */
        frame_head(out, 1, 14 + due->id_length + 9 + socket_rows.text.length + 1);
        add(out, "{\"requestID\":\"", 14);
        add(out, due->id, due->id_length);
        add(out, "\",\"data\":", 9);
        put(out, &socket_rows, due->game);
        add(out, "}", 1);
    }
    seen.answers++;
    soil(c);
    if (out->length - c->written > ENOUGH)
        flush(c);
}

static void set_timer(void) {
    struct itimerspec at = {0};
    if (queue_count) {
        uint64_t when = queue[queue_first].when;
        at.it_value.tv_sec = (time_t)(when / 1000000000u);
        at.it_value.tv_nsec = (long)(when % 1000000000u);
        if (!when)
            at.it_value.tv_nsec = 1;
    }
    timerfd_settime(timer_fd, TFD_TIMER_ABSTIME, &at, NULL);
}

static void answer_due(void) {
    uint64_t expirations;
    ssize_t ignored = read(timer_fd, &expirations, sizeof expirations);
    (void)ignored;
    uint64_t instant = now();
    while (queue_count && queue[queue_first].when <= instant) {
        struct due *due = &queue[queue_first];
        if (due->connection->fd >= 0 && due->generation == due->connection->generation)
            answer(due);
        queue_first = (queue_first + 1) % queue_size;
        queue_count--;
    }
    flush_all();
    set_timer();
}

static void enqueue(struct connection *c, enum kind kind, uint64_t arrived, const char *game,
                    const char *id, size_t id_length) {
    if (queue_count == queue_size) {
        struct due *larger = malloc(sizeof *larger * queue_size * 2);
        for (size_t each = 0; each < queue_count; each++)
            larger[each] = queue[(queue_first + each) % queue_size];
        free(queue);
        queue = larger;
        queue_first = 0;
        queue_size *= 2;
    }
    struct due *due = &queue[(queue_first + queue_count) % queue_size];
    due->when = arrived + delay;
    due->connection = c;
    due->generation = c->generation;
    due->kind = kind;
    if (kind != UNMATCHED) {
        memcpy(due->game, game, GAME);
        memcpy(due->id, id, id_length);
        due->id_length = (uint8_t)id_length;
        if (!seen.requests++)
            seen.first = arrived;
        seen.last = arrived;
    }
    if (!queue_count++)
        set_timer();
}

/* Find the text that follows a name in JSON; return its length, 0 if it is not there. */
static size_t text_of(const char *json, size_t length, const char *name, const char **text) {
    const char *end = json + length, *at = memmem(json, length, name, strlen(name));
    if (!at)
        return 0;
    at += strlen(name);
    while (at < end && (*at == ':' || *at == ' '))
        at++;
    if (at == end || *at++ != '"')
        return 0;
    const char *close = memchr(at, '"', (size_t)(end - at));
    *text = at;
    return close ? (size_t)(close - at) : 0;
}

static void upgrade(struct connection *c, const char *head, size_t length) {
    static const char suffix[] = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11", name[] = "sec-websocket-key:";
    char joined[128], reply[256], accept[64];
    unsigned char digest[SHA_DIGEST_LENGTH];
    for (size_t each = 0; each + sizeof name < length; each++)
        if (!strncasecmp(head + each, name, sizeof name - 1)) {
            const char *key = head + each + sizeof name - 1;
            while (*key == ' ')
                key++;
            size_t size = strcspn(key, "\r\n");
            if (size > 64)
                break;
            memcpy(joined, key, size);
            memcpy(joined + size, suffix, sizeof suffix - 1);
            SHA1((unsigned char *)joined, size + sizeof suffix - 1, digest);
            EVP_EncodeBlock((unsigned char *)accept, digest, sizeof digest);
            snprintf(reply, sizeof reply,
                     "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                     "Sec-WebSocket-Accept: %s\r\n\r\n",
                     accept);
            add_text(&c->out, reply);
            c->upgraded = 1;
            soil(c);
            return;
        }
    drop(c);
}

static size_t content_length(const char *head, size_t length) {
    static const char name[] = "\r\ncontent-length:";
    for (size_t each = 0; each + sizeof name < length; each++)
        if (head[each] == '\r' && !strncasecmp(head + each, name, sizeof name - 1))
            return strtoul(head + each + sizeof name - 1, NULL, 10);
    return 0;
}

static int begins(const char *text, const char *with) { return !strncmp(text, with, strlen(with)); }

/* Take one HTTP request; return how many bytes it has, 0 while it is incomplete. */
static size_t take_request(struct connection *c, const char *at, size_t length, uint64_t arrived) {
    const char *end = memmem(at, length, "\r\n\r\n", 4), *game;
    if (!end)
        return 0;
    size_t head = (size_t)(end - at) + 4, body = content_length(at, head);
    if (length < head + body)
        return 0;
    if (begins(at, "POST /session/cancelAllOrdersForGame ")) {
        if (text_of(at + head, body, "\"gameID\"", &game) == GAME)
            enqueue(c, OVER_REST, arrived, game, "", 0);
        else
            drop(c);
    } else if (begins(at, "GET /user/getUnmatched"))
        enqueue(c, UNMATCHED, arrived, NULL, NULL, 0);
    else if (begins(at, "GET /orders/ws"))
        upgrade(c, at, head);
    else if (begins(at, "GET /user/getMe"))
        respond_with(c, "{\"data\":{\"user\":{\"username\":\"benchmark\"}}}");
    else if (begins(at, "POST /user/login"))
        respond_with(c, "{\"data\":{\"user\":{\"username\":\"benchmark\",\"auth\":\"0123456789abcdef\"}}}");
    else {
        add_text(&c->out, "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n");
        soil(c);
    }
    return head + body;
}

/* Take one frame of a client, which is masked; return how many bytes it has. */
static size_t take_frame(struct connection *c, char *at, size_t length, uint64_t arrived) {
    size_t head = 6, size;
    if (length < head)
        return 0;
    size = (unsigned char)at[1] & 127;
    if (size >= 126) {
        size_t more = size == 126 ? 2 : 8;
        head += more;
        if (length < head)
            return 0;
        size = 0;
        for (size_t each = 0; each < more; each++)
            size = size << 8 | (unsigned char)at[2 + each];
    }
    if (length < head + size)
        return 0;
    char *text = at + head;
    uint32_t mask;
    memcpy(&mask, text - 4, 4);
    uint64_t mask8 = (uint64_t)mask << 32 | mask, word;
    size_t each = 0;
    for (; each + 8 <= size; each += 8) {
        memcpy(&word, text + each, 8);
        word ^= mask8;
        memcpy(text + each, &word, 8);
    }
    for (; each < size; each++)
        text[each] ^= ((char *)&mask)[each & 3];
    int opcode = at[0] & 15;
    if (opcode == 1 || opcode == 2) {
        const char *game, *id;
        size_t id_length = text_of(text, size, "\"requestID\"", &id);
        if (begins(text, "[\"cancelAllByGame\"") && id_length && id_length <= ID &&
            text_of(text, size, "\"gameId\"", &game) == GAME)
            enqueue(c, OVER_SOCKET, arrived, game, id, id_length);
        else
            drop(c);
    } else if (opcode == 9 || opcode == 8) {
        frame_head(&c->out, opcode == 9 ? 10 : 8, size);
        add(&c->out, text, size);
        c->closing = opcode == 8;
        soil(c);
    }
    return head + size;
}

static void take(struct connection *c, uint64_t arrived) {
    size_t at = 0, taken = 1;
    unsigned generation = c->generation;
    while (taken && at < c->in.length && c->generation == generation) {
        char *start = c->in.at + at;
        size_t length = c->in.length - at;
        taken = c->upgraded ? take_frame(c, start, length, arrived) : take_request(c, start, length, arrived);
        at += taken;
    }
    if (c->generation != generation)
        return;
    memmove(c->in.at, c->in.at + at, c->in.length - at);
    c->in.length -= at;
}

static void receive(struct connection *c) {
    unsigned generation = c->generation;
    while (c->fd >= 0 && c->generation == generation) {
        char *into = room(&c->in, READ + 1);
        ssize_t got;
        if (c->tls) {
            got = SSL_read(c->tls, into, READ);
            if (got <= 0) {
                int why = SSL_get_error(c->tls, (int)got);
                if (why != SSL_ERROR_WANT_READ && why != SSL_ERROR_WANT_WRITE)
                    drop(c);
                return;
            }
        } else {
            got = recv(c->fd, into, READ, 0);
            if (got <= 0) {
                if (!got || errno != EAGAIN)
                    drop(c);
                return;
            }
        }
        c->in.length += (size_t)got;
        c->in.at[c->in.length] = 0;
        take(c, now());
    }
}

static void admit(int listener, int tls) {
    int fd, yes = 1;
    while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
        struct connection *c = unused;
        if (c)
            unused = c->next_free;
        else if (!(c = calloc(1, sizeof *c)))
            fail("memory");
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
        c->fd = fd;
        if (tls) {
            c->tls = SSL_new(context);
            SSL_set_fd(c->tls, fd);
            SSL_set_accept_state(c->tls);
        }
        struct epoll_event event = {.events = EPOLLIN, .data.ptr = c};
        epoll_ctl(poll_fd, EPOLL_CTL_ADD, fd, &event);
        seen.accepted++;
    }
}

static int listen_on(int *port) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0 || bind(fd, (struct sockaddr *)&address, size) || listen(fd, 4096) ||
        getsockname(fd, (struct sockaddr *)&address, &size))
        fail("listen");
    *port = ntohs(address.sin_port);
    return fd;
}

static void set(unsigned orders, unsigned microseconds) {
    build(&rest, (int)orders, 0);
    build(&socket_rows, (int)orders, 1);
    delay = (uint64_t)microseconds * 1000;
}

static void command(const char *line) {
    unsigned orders, microseconds;
    if (sscanf(line, "set %u %u", &orders, &microseconds) == 2) {
        set(orders, microseconds);
        printf("{}\n");
    } else if (begins(line, "mark")) {
        memset(&seen, 0, sizeof seen);
        printf("{}\n");
    } else if (begins(line, "report"))
        printf("{\"requests\": %lu, \"answers\": %lu, \"connections\": %lu, \"began\": %lu, "
               "\"first\": %lu, \"last\": %lu, \"answered\": %lu, \"cpu\": %lu}\n",
               seen.requests, seen.answers, seen.accepted, seen.began, seen.first, seen.last,
               seen.answered, seen.cpu_answered - seen.cpu_began);
    else
        printf("{\"error\": \"no such command\"}\n");
    fflush(stdout);
}

static void read_commands(void) {
    static struct buffer lines;
    char *end;
    ssize_t got = read(0, room(&lines, 4096), 4095);
    if (got <= 0)
        exit(0);
    lines.length += (size_t)got;
    while ((end = memchr(lines.at, '\n', lines.length))) {
        *end = 0;
        command(lines.at);
        size_t taken = (size_t)(end - lines.at) + 1;
        memmove(lines.at, end + 1, lines.length - taken);
        lines.length -= taken;
    }
}

int main(int argc, char **argv) {
    static char marks[4]; /* their addresses tell the descriptors that are no connections */
    struct epoll_event events[256];
    int ports[2];
    signal(SIGPIPE, SIG_IGN);
    context = SSL_CTX_new(TLS_server_method());
    if (argc != 3 || !context || SSL_CTX_use_certificate_chain_file(context, argv[1]) != 1 ||
        SSL_CTX_use_PrivateKey_file(context, argv[2], SSL_FILETYPE_PEM) != 1) {
        fprintf(stderr, "usage: mock CERTIFICATE.pem KEY.pem\n");
        return 2;
    }
    SSL_CTX_set_mode(context, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    if (!(queue = malloc(sizeof *queue * queue_size)))
        fail("memory");
    poll_fd = epoll_create1(EPOLL_CLOEXEC);
    timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
    int fds[4] = {listen_on(&ports[0]), listen_on(&ports[1]), timer_fd, 0};
    for (int each = 0; each < 4; each++) {
        struct epoll_event event = {.events = EPOLLIN, .data.ptr = &marks[each]};
        if (epoll_ctl(poll_fd, EPOLL_CTL_ADD, fds[each], &event))
            fail("epoll");
    }
    set(10, 20000);
    printf("{\"tls\": %d, \"plain\": %d}\n", ports[0], ports[1]);
    fflush(stdout);
    for (;;) {
        int count = epoll_wait(poll_fd, events, 256, -1);
        uint64_t woke = now(), spent = cpu();
        for (int each = 0; each < count; each++) {
            void *of = events[each].data.ptr;
            if (of == &marks[3])
                read_commands();
            else {
                if (!seen.began) {
                    seen.began = woke;
                    seen.cpu_began = seen.cpu_answered = spent;
                }
                if (of == &marks[2])
                    answer_due();
                else if (of == &marks[0] || of == &marks[1])
                    admit(fds[(char *)of - marks], of == &marks[0]);
                else {
                    struct connection *c = of;
                    if (c->fd >= 0 && events[each].events & (EPOLLIN | EPOLLHUP | EPOLLERR))
                        receive(c);
                    if (c->fd >= 0 && events[each].events & EPOLLOUT)
                        flush(c);
                }
            }
        }
        flush_all();
    }
}
