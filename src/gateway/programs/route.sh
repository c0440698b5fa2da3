# Every session of sshd begins here: "route TICKET". It asks the companion what the session is to be, and becomes that.
# POSIX sh and nothing of the session's own environment but the two variables that sshd sets. What the client wants to
# run is one argument from beginning to end and never shell text on a gateway.
# Above this line the companion writes: socket, curl, ssh, sftp_server and, if there are, setpriv and ask_program.

set -fu
newline='
'
ticket=$1
asked=${SSH_ORIGINAL_COMMAND-}
shell=${SHELL:-/bin/sh}
terminal=no
if [ -t 0 ]; then terminal=yes; fi

fail() {
  printf '%s\n' "$1" >&2
  exit 1
}

# Only the beginning of the command leaves this process: as much as a target's name or the name of a subsystem takes.
# The compiled program takes a fraction of the time that curl takes to start.
ask() {
  set -- "ticket=$ticket" "asked=$(printf '%.200s' "$asked")" "terminal=$terminal" "$@"
  if [ -x "$ask_program" ]; then
    "$ask_program" "$socket" "/$path" 10000 "$@" 2>/dev/null
    return
  fi
  for field in "$@"; do
    shift
    set -- "$@" --data-urlencode "$field"
  done
  "$curl" -q -sSf --noproxy '*' --max-time 15 --unix-socket "$socket" "$@" "http://gateway/$path" 2>/dev/null
}

# A line per value, of letters that mean nothing to a shell or to ssh (route-reply.ts).
read_reply() {
  address='' port='' login='' alias='' known_hosts='' agent='' subsystem='' forward_agent='' remote_ports=''
  folder='' environment='' welcome='' is_shell=''
  while IFS=' ' read -r name value; do
    case $name in
      address) address=$value ;;
      port) port=$value ;;
      login) login=$value ;;
      alias) alias=$value ;;
      known_hosts) known_hosts=$value ;;
      agent) agent=$value ;;
      subsystem) subsystem=$value ;;
      shell) is_shell=$value ;;
      forward_agent) forward_agent=$value ;;
      remote_port) remote_ports="$remote_ports $value" ;;
      folder) folder=$value ;;
      environment) environment=$value ;;
      welcome) welcome="$welcome$value$newline" ;;
    esac
  done <<END
$reply
END
}

# The second leg (ssh_config(5)): no configuration but this one, a host that the CA vouches for, the one key.
relay() {
  set -- -F /dev/null -o BatchMode=yes -o EscapeChar=none -o PermitLocalCommand=no -o LogLevel=ERROR \
    -o IdentityFile=none -o CertificateFile=none -o PKCS11Provider=none -o "IdentityAgent=$agent" \
    -o PreferredAuthentications=publickey \
    -o StrictHostKeyChecking=yes -o "UserKnownHostsFile=$known_hosts" -o GlobalKnownHostsFile=none \
    -o "HostKeyAlias=$alias" -o CheckHostIP=no -o UpdateHostKeys=no -o VerifyHostKeyDNS=no \
    -o ControlMaster=no -o ControlPath=none -o CanonicalizeHostname=no -o ProxyCommand=none \
    -o ConnectTimeout=10 -o ServerAliveInterval=15 -o ServerAliveCountMax=3 \
    -o SendEnv=LANG -o 'SendEnv=LC_*' -l "$login" -p "$port"
  if [ -z "$remote_ports" ]; then
    set -- "$@" -o ClearAllForwardings=yes
  else
    for one in $remote_ports; do set -- "$@" -R "localhost:$one:localhost:$one"; done
  fi
  if [ "$forward_agent" = yes ] && [ -n "${SSH_AUTH_SOCK-}" ]; then
    set -- "$@" -o "ForwardAgent=$SSH_AUTH_SOCK"
  fi
  if [ "$terminal" = yes ]; then set -- "$@" -tt; else set -- "$@" -T; fi
  if [ "$subsystem" ]; then
    set -- "$@" -s -- "$address" "$subsystem"
  elif [ "${SSH_ORIGINAL_COMMAND+set}" ] && [ "$is_shell" != yes ]; then
    set -- "$@" -- "$address" "$asked"
  else
    set -- "$@" -- "$address"
    if [ "$terminal" = yes ]; then printf '%s' "$welcome"; fi
  fi
  set -- "$ssh" "$@"
  # When the client has gone there is nobody to tell the second leg but the kernel.
  if [ "$setpriv" ]; then set -- "$setpriv" --pdeathsig TERM "$@"; fi
  exec "$@"
}

# The application's environment: lines of NAME=value, one pair of quotes around the value at most, no evaluation. Names
# that begin as this function's own are left out.
export_environment() {
  [ -r "$1" ] || return 0
  while IFS= read -r _sallyport_line || [ "$_sallyport_line" ]; do
    _sallyport_name=${_sallyport_line%%=*}
    case $_sallyport_line in '#'* | '') continue ;; *=*) ;; *) continue ;; esac
    case $_sallyport_name in '' | [0-9]* | *[!A-Za-z0-9_]* | _sallyport_*) continue ;; esac
    # Some shells end over these.
    case $_sallyport_name in BASH* | SHELLOPTS | UID | EUID | PPID | OPTIND | LINENO) continue ;; esac
    _sallyport_value=${_sallyport_line#*=}
    case $_sallyport_value in
      \"*\") _sallyport_value=${_sallyport_value#?} _sallyport_value=${_sallyport_value%?} ;;
      \'*\') _sallyport_value=${_sallyport_value#?} _sallyport_value=${_sallyport_value%?} ;;
    esac
    export "$_sallyport_name=$_sallyport_value" 2>/dev/null || :
  done <"$1"
  unset _sallyport_line _sallyport_name _sallyport_value
}

# Every key that is pressed is a question, every answer is what to print, until a target is chosen.
menu() {
  PATH=/usr/bin:/bin
  path=menu
  keys='' is_shown=''
  modes=$(stty -g) || fail 'The menu needs a terminal.'
  trap 'stty "$modes"' EXIT
  trap 'exit 1' HUP INT TERM
  stty raw -echo
  while :; do
    size=$(stty size) || size='24 80'
    reply=$(ask "menu=$$" "keys=$keys" "rows=${size% *}" "columns=${size#* }" && printf x) || reply=away
    case $reply in
      "screen$newline"*)
        reply=${reply#screen?}
        printf '%s' "${reply%x}"
        is_shown=yes
        ;;
      "relay$newline"*)
        reply=${reply%x}
        stty "$modes"
        # The target begins on an empty screen.
        if [ "$is_shown" ]; then printf '\033[H\033[J'; fi
        trap - EXIT HUP INT TERM
        read_reply
        relay
        ;;
      "words$newline"*)
        stty "$modes"
        reply=${reply%x}
        fail "${reply#words?}"
        ;;
      end*)
        printf '\r\n'
        exit 0
        ;;
      *)
        stty "$modes"
        fail "Sallyport's companion on this machine does not answer any more. Try again in a moment."
        ;;
    esac
    # What is left of a key that is several bytes long comes with it. An end of input ends the menu.
    keys=$(dd bs=256 count=1 2>/dev/null && printf x) || exit 1
    keys=${keys%x}
    [ "$keys" ] || exit 0
  done
}

# A session on a host. What copies files gets what a stock sshd would give it.
run() {
  is_command=${SSH_ORIGINAL_COMMAND+yes}
  unset SSH_ORIGINAL_COMMAND
  case $asked in
    internal-sftp | internal-sftp\ *)
      [ "$sftp_server" ] || fail 'sftp is not installed on this machine: it has no sftp-server.'
      set -- ${asked#internal-sftp}
      exec "$sftp_server" "$@"
      ;;
    */sftp-server | */sftp-server\ * | 'scp -'[tfrpdv]* | 'rsync --server'* | 'git-upload-pack '* | \
      'git-receive-pack '* | 'git-upload-archive '*)
      exec "$shell" -c "$asked"
      ;;
  esac
  if [ "$is_command" ]; then
    # Not exec: a command that a signal ends is told from one that ends itself (128 and more).
    set -- "$shell" -c "$asked"
    [ -z "$environment" ] || export_environment "$environment"
    # Ctrl-C is for the command; this waits to tell how it ended, and keeps what sh would say of that to itself.
    trap : INT QUIT
    exec 3>&2 2>/dev/null
    (exec "$@" 2>&3 3>&-)
    exit
  fi
  if [ "$folder" ] && ! cd "$folder" 2>/dev/null; then
    welcome="${welcome}The folder $folder can't be entered.$newline"
  elif [ "$folder" ] && ! [ -w . ]; then
    welcome="${welcome}The folder $folder is read-only.$newline"
  fi
  if [ "$environment" ] && ! [ -r "$environment" ]; then
    welcome="${welcome}The environment in $environment can't be read.$newline"
  fi
  if [ "$terminal" = yes ]; then printf '%s' "$welcome"; fi
  set -- "$shell" -l
  [ -z "$environment" ] || export_environment "$environment"
  exec "$@"
}

path=route
reply=$(ask) || fail "Sallyport's companion on this machine does not answer. Try again in a moment, or tell its admin."
case $reply in
  "words$newline"*) fail "${reply#words?}" ;;
  "relay$newline"*)
    read_reply
    relay
    ;;
  "run$newline"* | run)
    read_reply
    run
    ;;
  menu)
    menu
    ;;
  *) fail "Sallyport's companion on this machine answered with something unexpected." ;;
esac
