# Reads {library, port, user, code, command} as JSON on standard input and tells what became of a login by
# keyboard-interactive: {status, stdout}, or {error}.
import asyncio
import json
import sys
import warnings

warnings.simplefilter("ignore")
asked = json.load(sys.stdin)


def with_paramiko():
    import paramiko

    transport = paramiko.Transport(("127.0.0.1", asked["port"]))
    try:
        transport.start_client(timeout=20)
        transport.auth_interactive(asked["user"], lambda title, instructions, prompts: [asked["code"] for _ in prompts])
        if asked["command"] == "sftp":
            sftp = paramiko.SFTPClient.from_transport(transport)
            return {"status": 0, "stdout": sftp.normalize(".")}
        channel = transport.open_session()
        channel.exec_command(asked["command"])
        with channel.makefile() as output:
            stdout = output.read().decode()
        return {"status": channel.recv_exit_status(), "stdout": stdout}
    except paramiko.AuthenticationException:
        return {"error": "refused"}
    finally:
        transport.close()


async def with_asyncssh():
    import asyncssh

    class Client(asyncssh.SSHClient):
        asked = False

        def kbdint_auth_requested(self):
            # Once: what is refused is not tried again.
            again, self.asked = self.asked, True
            return None if again else ""

        def kbdint_challenge_received(self, name, instructions, lang, prompts):
            return [asked["code"] for _ in prompts]

    try:
        async with asyncssh.connect(
            "127.0.0.1",
            asked["port"],
            username=asked["user"],
            known_hosts=None,
            client_keys=None,
            agent_path=None,
            config=None,
            preferred_auth="keyboard-interactive",
            client_factory=Client,
        ) as connection:
            ran = await connection.run(asked["command"])
            return {"status": ran.exit_status, "stdout": ran.stdout}
    except asyncssh.DisconnectError:
        return {"error": "refused"}


print(json.dumps(with_paramiko() if asked["library"] == "paramiko" else asyncio.run(with_asyncssh())))
