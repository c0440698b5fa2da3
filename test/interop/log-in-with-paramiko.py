"""Logs in with each of several certificates by paramiko, and tells what happened to each.

Reads from standard input: {"port", "login", "hostKey": "type base64", "command", "people": [{"kind", "keyFile",
"certificateFile"}]}; writes a list of {"stdout"} or {"refused": name of the exception}, with the key that paramiko
found inside the certificate.
"""

import base64
import json
import sys
import warnings

warnings.simplefilter("ignore")  # what the library of ciphers says about old ones

import paramiko

key_classes = {"ed25519": paramiko.Ed25519Key, "rsa": paramiko.RSAKey}


def log_in(task, person):
    key_class = key_classes.get(person["kind"], paramiko.ECDSAKey)
    key = key_class.from_private_key_file(person["keyFile"])
    key.load_certificate(person["certificateFile"])
    certificate = key.public_blob.key_blob
    subject = key_class(data=certificate)
    client = paramiko.SSHClient()
    name, blob = task["hostKey"].split()
    host_key = paramiko.Ed25519Key(data=base64.b64decode(blob))
    client.get_host_keys().add("[127.0.0.1]:%d" % task["port"], name, host_key)
    answer = {"subject": base64.b64encode(subject.asbytes()).decode()}
    try:
        client.connect(
            "127.0.0.1",
            port=task["port"],
            username=task["login"],
            pkey=key,
            allow_agent=False,
            look_for_keys=False,
        )
        _, stdout, _ = client.exec_command(task["command"])
        answer["stdout"] = stdout.read().decode()
    except paramiko.SSHException as refused:
        answer["refused"] = type(refused).__name__
    finally:
        client.close()
    return answer


task = json.load(sys.stdin)
json.dump([log_in(task, person) for person in task["people"]], sys.stdout)
