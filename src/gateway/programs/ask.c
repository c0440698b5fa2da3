/*
 * ask SOCKET PATH MILLISECONDS NAME=VALUE...
 *
 * Asks the companion for sshd (AuthorizedPrincipalsCommand and its kin in sshd_config(5)) and prints what it answers, if
 * the answer came whole and in time. In all other cases it prints nothing and exits with 1, which sshd takes as a denial.
 *
 * C99 and POSIX: cc -std=c99 -O2 -o ask ask.c
 */
#include "question.h"

static void fail(void) { _exit(1); }

/* NAME=VALUE, the name of small letters only. */
static void add_argument(const char *field) {
  size_t name = strspn(field, "abcdefghijklmnopqrstuvwxyz_");
  if (name == 0 || field[name] != '=') fail();
  add(&form, "&", 1);
  add(&form, field, name + 1);
  add_encoded(field + name + 1, strlen(field + name + 1));
}

int main(int count, char **arguments) {
  char *rest;
  long milliseconds;
  struct answer answer;
  int index;

  if (count < 4) fail();
  errno = 0;
  milliseconds = strtol(arguments[3], &rest, 10);
  if (errno != 0 || rest == arguments[3] || *rest != '\0' || milliseconds < 1 || milliseconds > LONGEST_WAIT) fail();
  start_clock(milliseconds);
  begin_form();
  for (index = 4; index < count; index++) add_argument(arguments[index]);
  answer = ask_companion(arguments[1], arguments[2]);
  write_all(STDOUT_FILENO, answer.bytes, answer.length);
  return 0;
}
