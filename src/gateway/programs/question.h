/*
 * A question to the companion: one form over its socket, and an answer that came whole and in time or counts as none.
 * The values are whatever a client chose to call itself; nothing here ever reads them as anything but bytes.
 *
 * For programs of one file each, which are built where they run. C99 and POSIX, no memory but what is reserved below.
 */
#ifndef SALLYPORT_QUESTION_H
#define SALLYPORT_QUESTION_H
#define _POSIX_C_SOURCE 200809L

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

/* A certificate with 256 principals of the longest kind stays below this, percent-encoded. */
#define LONGEST_FORM (512 * 1024)
#define LONGEST_HEAD 512
/* sshd itself takes no longer line than 8 kB in some versions; 4,096 permitopen options are about 200 kB. */
#define LONGEST_REPLY (512 * 1024)
#define LONGEST_WAIT 10000

/* Grows by add() alone. */
struct text {
  char *bytes;
  size_t length;
  size_t room;
};

static char form_bytes[LONGEST_FORM];
static char head_bytes[LONGEST_HEAD];
static struct text form = {form_bytes, 0, sizeof form_bytes};
static struct text head = {head_bytes, 0, sizeof head_bytes};
static char reply[LONGEST_REPLY];

/* How the program ends that includes this, where there is no answer. Never returns. */
static void fail(void);

/* How finely the wait is counted. */
#define TICKS 20

static volatile sig_atomic_t ticks;
static volatile sig_atomic_t late;

static void on_tick(int number) {
  (void)number;
  if (ticks < TICKS) ticks++;
  late = ticks == TICKS;
}

/*
 * One clock over everything, connecting to a full backlog and writing to a full pipe included. It counts the time in which
 * this program was waiting: of a machine that stood still, or had no processor left for it, one tick is seen and not what
 * had passed meanwhile, since a signal that is pending is not sent again. Otherwise a question that the companion never
 * got to see would be too late. At the end an answer that is there still counts, and nothing is waited for any more. It
 * rings on, since it may ring just before something begins to wait.
 */
static void start_clock(long milliseconds) {
  struct sigaction action;
  struct itimerval timer;
  sigset_t none;
  long tick = milliseconds * 1000 / TICKS;
  memset(&action, 0, sizeof action);
  action.sa_handler = on_tick;
  sigemptyset(&action.sa_mask);
  sigemptyset(&none);
  memset(&timer, 0, sizeof timer);
  timer.it_interval.tv_sec = tick / 1000000;
  timer.it_interval.tv_usec = tick % 1000000;
  timer.it_value = timer.it_interval;
  /* Who started this may have blocked or ignored the signal. */
  if (sigaction(SIGALRM, &action, NULL) != 0 || sigprocmask(SIG_SETMASK, &none, NULL) != 0 ||
      setitimer(ITIMER_REAL, &timer, NULL) != 0)
    fail();
  /* A reader that has gone is an error of write(2), not the end by a signal. */
  action.sa_handler = SIG_IGN;
  if (sigaction(SIGPIPE, &action, NULL) != 0) fail();
}

static void add(struct text *to, const char *bytes, size_t length) {
  if (length > to->room - to->length) fail();
  memcpy(to->bytes + to->length, bytes, length);
  to->length += length;
}

/* application/x-www-form-urlencoded: letters, digits and - . _ ~ stand for themselves. */
static void add_encoded(const char *text, size_t length) {
  static const char digits[] = "0123456789ABCDEF";
  for (; length > 0; text++, length--) {
    unsigned char byte = (unsigned char)*text;
    char encoded[3];
    if ((byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') || (byte >= '0' && byte <= '9') ||
        byte == '-' || byte == '.' || byte == '_' || byte == '~') {
      add(&form, text, 1);
      continue;
    }
    encoded[0] = '%';
    encoded[1] = digits[byte >> 4];
    encoded[2] = digits[byte & 15];
    add(&form, encoded, sizeof encoded);
  }
}

static void add_number(struct text *to, size_t number) {
  char digits[24];
  size_t at = sizeof digits;
  do {
    digits[--at] = (char)('0' + number % 10);
    number /= 10;
  } while (number > 0);
  add(to, digits + at, sizeof digits - at);
}

static int connect_to(const char *path) {
  struct sockaddr_un address;
  int connection = socket(AF_UNIX, SOCK_STREAM, 0);
  memset(&address, 0, sizeof address);
  address.sun_family = AF_UNIX;
  if (connection < 0 || strlen(path) >= sizeof address.sun_path) fail();
  memcpy(address.sun_path, path, strlen(path));
  while (connect(connection, (struct sockaddr *)&address, sizeof address) != 0) {
    if (errno != EINTR || late) fail();
  }
  return connection;
}

static void write_all(int to, const char *bytes, size_t length) {
  while (length > 0) {
    ssize_t written = write(to, bytes, length);
    if (written < 0 && errno == EINTR && !late) continue;
    if (written <= 0) fail();
    bytes += written;
    length -= (size_t)written;
  }
}

/* Until the other side closes: HTTP/1.0, one answer for each connection. */
static size_t read_all(int from) {
  size_t length = 0;
  for (;;) {
    ssize_t got;
    if (length == sizeof reply) fail();
    got = recv(from, reply + length, sizeof reply - length, late ? MSG_DONTWAIT : 0);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) fail();
    if (got == 0) return length;
    length += (size_t)got;
  }
}

static const char *find(const char *in, size_t length, const char *what) {
  size_t wanted = strlen(what);
  size_t at;
  for (at = 0; at + wanted <= length; at++) {
    if (memcmp(in + at, what, wanted) == 0) return in + at;
  }
  return NULL;
}

/* The value of content-length, which must be there exactly once and be digits alone. */
static size_t announced(const char *text, size_t length) {
  static const char name[] = "\r\ncontent-length:";
  size_t value = 0;
  size_t seen = 0;
  size_t at;
  for (at = 0; at + sizeof name - 1 <= length; at++) {
    size_t same = 0;
    while (same < sizeof name - 1) {
      char letter = text[at + same];
      if (letter >= 'A' && letter <= 'Z') letter = (char)(letter - 'A' + 'a');
      if (letter != name[same]) break;
      same++;
    }
    if (same < sizeof name - 1) continue;
    if (++seen > 1) fail();
    at += same;
    while (at < length && text[at] == ' ') at++;
    if (at == length || text[at] < '0' || text[at] > '9') fail();
    for (; at < length && text[at] >= '0' && text[at] <= '9'; at++) {
      value = value * 10 + (size_t)(text[at] - '0');
      if (value > LONGEST_REPLY) fail();
    }
    if (at < length && text[at] != '\r') fail();
    at--;
  }
  if (seen != 1) fail();
  return value;
}

/* The process that started this one is the connection's monitor where sshd asks. */
static void begin_form(void) {
  add(&form, "ppid=", 5);
  add_number(&form, (size_t)getppid());
}

/* Lives as long as the program. */
struct answer {
  const char *bytes;
  size_t length;
};

static struct answer ask_companion(const char *socket_path, const char *route) {
  static const char opening[] = " HTTP/1.0\r\nHost: gateway\r\nContent-Type: application/x-www-form-urlencoded\r\n"
                                "Content-Length: ";
  struct answer answer;
  const char *end;
  size_t length;
  int connection;

  add(&head, "POST ", 5);
  add(&head, route, strlen(route));
  add(&head, opening, sizeof opening - 1);
  add_number(&head, form.length);
  add(&head, "\r\n\r\n", 4);
  connection = connect_to(socket_path);
  write_all(connection, head.bytes, head.length);
  write_all(connection, form.bytes, form.length);

  length = read_all(connection);
  close(connection);
  if (length < 12 || (memcmp(reply, "HTTP/1.1 200", 12) != 0 && memcmp(reply, "HTTP/1.0 200", 12) != 0)) fail();
  end = find(reply, length, "\r\n\r\n");
  if (end == NULL) fail();
  answer.bytes = end + 4;
  answer.length = length - (size_t)(answer.bytes - reply);
  if (announced(reply, (size_t)(end - reply)) != answer.length) fail();
  return answer;
}

#endif
