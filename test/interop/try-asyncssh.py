"""Client, server and CA of asyncssh, against certificates of ours.

Reads one task as JSON from standard input:
  port, login, command     the sshd, and what to run there
  trusting                 known_hosts files by what they trust
  people                   [{"name", "keyFile", "certificateFile"}], tried at the sshd
  server                   {"authorities": an authorized_keys file, "visitors": [{"name", "user", ...}]}
  made                     [{"subject", "ca"}]: key files to make certificates of
and writes what came of each, as JSON. A refusal is told by the name of its exception.
"""

import asyncio
import json
import sys
import warnings

warnings.simplefilter("ignore")  # what the library of ciphers says about old ones

import asyncssh


async def connect(port, user, person, known_hosts, host="127.0.0.1"):
    return await asyncssh.connect(
        host,
        port,
        username=user,
        known_hosts=known_hosts,
        client_keys=[(person["keyFile"], person["certificateFile"])],
        agent_path=None,
        config=None,
    )


async def log_in(task, person, known_hosts, host="127.0.0.1"):
    try:
        async with await connect(task["port"], task["login"], person, known_hosts, host) as connection:
            return (await connection.run(task["command"])).stdout
    except asyncssh.Error as refused:
        return type(refused).__name__


class Server(asyncssh.SSHServer):
    def begin_auth(self, username):
        return True


async def visit(task, host_files, known_hosts):
    """Who is let in by asyncssh's own server, which shows our host certificate."""
    server = await asyncssh.create_server(
        Server,
        "127.0.0.1",
        0,
        server_host_keys=[host_files],
        authorized_client_keys=task["authorities"],
        process_factory=lambda process: process.exit(0),
        config=None,
    )
    port = server.sockets[0].getsockname()[1]
    answers = {}
    for visitor in task["visitors"]:
        try:
            async with await connect(port, visitor["user"], visitor, known_hosts):
                answers[visitor["name"]] = "welcome"
        except asyncssh.Error as refused:
            answers[visitor["name"]] = type(refused).__name__
    server.close()
    await server.wait_closed()
    return answers


def make(pair):
    """Certificates by asyncssh, for a user and for a host."""
    ca = asyncssh.read_private_key(pair["ca"])
    subject = asyncssh.read_private_key(pair["subject"])
    user = ca.generate_user_certificate(
        subject,
        "alice@example.org/01ab",
        serial=2**64 - 1,
        principals=["alice@example.org"],
        valid_after=1_800_000_000,
        valid_before=1_800_003_600,
        force_command="echo hello",
        source_address=["192.0.2.0/24", "2001:db8::/32"],
        permit_agent_forwarding=False,
    )
    host = ca.generate_host_certificate(
        subject,
        "host/web",
        serial=7,
        principals=["web.example.org"],
        valid_after=1_800_000_000,
        valid_before=1_800_003_600,
    )
    return {"user": user.export_certificate().decode(), "host": host.export_certificate().decode()}


async def answer(task):
    people = task["people"]
    first = people[0]
    trusting = task["trusting"]
    return {
        "people": {person["name"]: await log_in(task, person, trusting["us"]) for person in people},
        "hosts": {
            "by another CA": await log_in(task, first, trusting["others"]),
            "for another name": await log_in(task, first, trusting["us"], "localhost"),
        },
        "visitors": await visit(task["server"], tuple(task["server"]["host"]), trusting["us"]),
        "made": [make(pair) for pair in task["made"]],
    }


json.dump(asyncio.run(answer(json.load(sys.stdin))), sys.stdout)
