/*
 * session SOCKET SFTP_SERVER TICKET
 *
 * Every session of sshd on a host begins here. It asks the companion what the session is to be and becomes that: words
 * on stderr, or the person's shell in the application's folder with its environment. What the client wants to run is one
 * argument from beginning to end. SFTP_SERVER is - where there is none. Without a compiler route.sh does the same, to the
 * letter.
 *
 * C99 and POSIX: cc -std=c99 -O2 -o session session.c
 */
#include "question.h"

#include <fnmatch.h>
#include <stdio.h>
#include <sys/wait.h>

#define WAIT_MILLISECONDS 10000
/* Only the beginning of the command leaves this process: as much as the name of a subsystem takes. */
#define ASKED_BYTES 200
#define SFTP_WORDS 64

static const char no_answer[] =
    "Sallyport's companion on this machine does not answer. Try again in a moment, or tell its admin.\n";
static const char odd_answer[] = "Sallyport's companion on this machine answered with something unexpected.\n";

static void end_with(const char *words, size_t length) {
  while (length > 0) {
    ssize_t written = write(STDERR_FILENO, words, length);
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) break;
    words += written;
    length -= (size_t)written;
  }
  _exit(1);
}

static void fail(void) { end_with(no_answer, sizeof no_answer - 1); }

/* What the session begins with, as strings of their own: lines "name value" (route-reply.ts). */
struct start {
  const char *folder;
  const char *environment;
  const char *welcome[64];
  size_t welcome_lines;
};

static void ask_about(const char *ticket, const char *asked, int is_terminal) {
  start_clock(WAIT_MILLISECONDS);
  begin_form();
  add(&form, "&ticket=", 8);
  add_encoded(ticket, strlen(ticket));
  add(&form, "&asked=", 7);
  add_encoded(asked, strnlen(asked, ASKED_BYTES));
  add(&form, "&terminal=", 10);
  add(&form, is_terminal ? "yes" : "no", is_terminal ? 3 : 2);
}

static void handle(int number, void (*handler)(int)) {
  struct sigaction action;
  memset(&action, 0, sizeof action);
  action.sa_handler = handler;
  sigemptyset(&action.sa_mask);
  sigaction(number, &action, NULL);
}

/* A clock and an ignored signal outlive exec(3): both are the next program's own again. */
static void stop_clock(void) {
  struct itimerval none;
  memset(&none, 0, sizeof none);
  setitimer(ITIMER_REAL, &none, NULL);
  handle(SIGPIPE, SIG_DFL);
}

/* Cuts the answer into lines. What is no session on a host ends here. */
static struct start read_start(struct answer answer) {
  static char text[LONGEST_REPLY + 1];
  struct start start;
  char *line;
  char *next;
  memset(&start, 0, sizeof start);
  memcpy(text, answer.bytes, answer.length);
  text[answer.length] = '\0';
  if (strncmp(text, "words\n", 6) == 0) end_with(text + 6, strlen(text + 6));
  if (strncmp(text, "run\n", 4) != 0) end_with(odd_answer, sizeof odd_answer - 1);
  for (line = text + 4; *line != '\0'; line = next) {
    next = strchr(line, '\n');
    if (next == NULL) end_with(odd_answer, sizeof odd_answer - 1);
    *next++ = '\0';
    if (strncmp(line, "folder ", 7) == 0) start.folder = line + 7;
    else if (strncmp(line, "environment ", 12) == 0) start.environment = line + 12;
    else if (strncmp(line, "welcome ", 8) == 0 && start.welcome_lines < 64)
      start.welcome[start.welcome_lines++] = line + 8;
  }
  return start;
}

static void become(char *const arguments[]) {
  execv(arguments[0], arguments);
  fprintf(stderr, "%s: %s\n", arguments[0], strerror(errno));
  _exit(errno == ENOENT ? 127 : 126);
}

/* internal-sftp and its arguments, apart at every blank as sh would take them apart. */
static void become_sftp(const char *server, char *asked) {
  char *arguments[SFTP_WORDS + 2];
  size_t count = 1;
  char *word;
  if (strcmp(server, "-") == 0) {
    static const char none[] = "sftp is not installed on this machine: it has no sftp-server.\n";
    end_with(none, sizeof none - 1);
  }
  arguments[0] = (char *)server;
  strtok(asked, " \t\n");
  while (count <= SFTP_WORDS && (word = strtok(NULL, " \t\n")) != NULL) arguments[count++] = word;
  arguments[count] = NULL;
  become(arguments);
}

/* What copies files gets what a stock sshd would give it. */
static int copies_files(const char *asked) {
  static const char *const patterns[] = {"*/sftp-server",    "*/sftp-server *",   "scp -[tfrpdv]*",
                                         "rsync --server*",  "git-upload-pack *", "git-receive-pack *",
                                         "git-upload-archive *"};
  size_t index;
  for (index = 0; index < sizeof patterns / sizeof *patterns; index++)
    if (fnmatch(patterns[index], asked, FNM_NOESCAPE) == 0) return 1;
  return 0;
}

/* Some shells end over these. */
static int is_of_shells(const char *name) {
  static const char *const names[] = {"SHELLOPTS", "UID", "EUID", "PPID", "OPTIND", "LINENO"};
  size_t index;
  if (strncmp(name, "BASH", 4) == 0 || strncmp(name, "_sallyport_", 11) == 0) return 1;
  for (index = 0; index < sizeof names / sizeof *names; index++)
    if (strcmp(names[index], name) == 0) return 1;
  return 0;
}

static int is_name(const char *text) {
  static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_0123456789";
  return *text != '\0' && (*text < '0' || *text > '9') && text[strspn(text, letters)] == '\0';
}

/* One line of the application's environment: NAME=value, one pair of quotes around the value at most, no evaluation. */
static void set_variable(char *line) {
  char *value = strchr(line, '=');
  size_t length;
  if (*line == '#' || value == NULL) return;
  *value++ = '\0';
  if (!is_name(line) || is_of_shells(line)) return;
  length = strlen(value);
  if (length >= 2 && (*value == '"' || *value == '\'') && value[length - 1] == *value) {
    value[length - 1] = '\0';
    value++;
  }
  setenv(line, value, 1);
}

static void read_environment(const char *path) {
  FILE *file = path == NULL ? NULL : fopen(path, "re");
  char *line = NULL;
  size_t room = 0;
  ssize_t length;
  if (file == NULL) return;
  while ((length = getline(&line, &room, file)) >= 0) {
    if (length > 0 && line[length - 1] == '\n') line[length - 1] = '\0';
    set_variable(line);
  }
  free(line);
  fclose(file);
}

static void let_pass(int number) { (void)number; }

/*
 * Not exec: a command that a signal ends is told from one that ends itself (128 and more). Ctrl-C is for the command;
 * this waits to tell how it ended.
 */
static void run_command(char *const arguments[]) {
  int status;
  pid_t child;
  handle(SIGINT, let_pass);
  handle(SIGQUIT, let_pass);
  child = fork();
  if (child < 0) {
    fprintf(stderr, "The command can't be started: %s\n", strerror(errno));
    _exit(126);
  }
  if (child == 0) become(arguments);
  while (waitpid(child, &status, 0) < 0) {
    if (errno != EINTR) _exit(1);
  }
  _exit(WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status));
}

static void greet(const struct start *start, int is_terminal) {
  size_t index;
  const char *trouble = NULL;
  if (start->folder != NULL && chdir(start->folder) != 0) trouble = "can't be entered";
  else if (start->folder != NULL && access(".", W_OK) != 0) trouble = "is read-only";
  if (!is_terminal) return;
  for (index = 0; index < start->welcome_lines; index++) printf("%s\n", start->welcome[index]);
  if (trouble != NULL) printf("The folder %s %s.\n", start->folder, trouble);
  if (start->environment != NULL && access(start->environment, R_OK) != 0)
    printf("The environment in %s can't be read.\n", start->environment);
  fflush(stdout);
}

int main(int count, char **arguments) {
  const char *given = getenv("SSH_ORIGINAL_COMMAND");
  const char *from_environment = getenv("SHELL");
  char *asked = given == NULL ? NULL : strdup(given);
  char *shell = strdup(from_environment == NULL || *from_environment == '\0' ? "/bin/sh" : from_environment);
  int is_terminal = isatty(STDIN_FILENO);
  struct start start;

  if (count != 4 || shell == NULL || (given != NULL && asked == NULL)) fail();
  ask_about(arguments[3], asked == NULL ? "" : asked, is_terminal);
  start = read_start(ask_companion(arguments[1], "/route"));
  stop_clock();
  unsetenv("SSH_ORIGINAL_COMMAND");
  if (asked != NULL) {
    char *command[] = {shell, "-c", asked, NULL};
    if (strcmp(asked, "internal-sftp") == 0 || strncmp(asked, "internal-sftp ", 14) == 0)
      become_sftp(arguments[2], asked);
    if (copies_files(asked)) become(command);
    read_environment(start.environment);
    run_command(command);
  } else {
    char *login[] = {shell, "-l", NULL};
    greet(&start, is_terminal);
    read_environment(start.environment);
    become(login);
  }
  return 1;
}
