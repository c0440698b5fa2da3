/*
 * What OpenSSH loads to talk to a security key (sk-api.h): it passes each question on to a socket, behind which a
 * security key in software answers (software-authenticator.ts). So it needs no library but libc.
 *
 * Strings are a length of four bytes, big endian, and their bytes. A reply starts with a status: 0, or an error of sk-api.h
 * with its sign turned.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define API_VERSION 0x000a0000
#define ERR_GENERAL -1

struct sk_enroll_response {
	uint8_t flags;
	uint8_t *public_key;
	size_t public_key_len;
	uint8_t *key_handle;
	size_t key_handle_len;
	uint8_t *signature;
	size_t signature_len;
	uint8_t *attestation_cert;
	size_t attestation_cert_len;
	uint8_t *authdata;
	size_t authdata_len;
};

struct sk_sign_response {
	uint8_t flags;
	uint32_t counter;
	uint8_t *sig_r;
	size_t sig_r_len;
	uint8_t *sig_s;
	size_t sig_s_len;
};

struct sk_option;
struct sk_resident_key;

static int
send_all(int fd, const void *bytes, size_t length)
{
	const char *at = bytes;
	while (length > 0) {
		ssize_t sent = write(fd, at, length);
		if (sent <= 0)
			return -1;
		at += sent;
		length -= (size_t)sent;
	}
	return 0;
}

static int
read_all(int fd, void *bytes, size_t length)
{
	char *at = bytes;
	while (length > 0) {
		ssize_t got = read(fd, at, length);
		if (got <= 0)
			return -1;
		at += got;
		length -= (size_t)got;
	}
	return 0;
}

static int
send_u32(int fd, uint32_t value)
{
	uint8_t bytes[4] = { value >> 24, value >> 16, value >> 8, value };
	return send_all(fd, bytes, sizeof(bytes));
}

static int
send_string(int fd, const void *bytes, size_t length)
{
	return send_u32(fd, (uint32_t)length) || send_all(fd, bytes, length);
}

static int
read_u32(int fd, uint32_t *value)
{
	uint8_t bytes[4];
	if (read_all(fd, bytes, sizeof(bytes)))
		return -1;
	*value = (uint32_t)bytes[0] << 24 | bytes[1] << 16 | bytes[2] << 8 | bytes[3];
	return 0;
}

static int
read_string(int fd, uint8_t **bytes, size_t *length)
{
	uint32_t announced;
	if (read_u32(fd, &announced) || announced > 65536)
		return -1;
	*length = announced;
	*bytes = calloc(1, announced + 1);
	return *bytes == NULL || read_all(fd, *bytes, announced);
}

static int
ask(char question, uint32_t alg, uint8_t flags, const char *application, const char *pin)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	const char *path = getenv("SK_TEST_SOCKET");
	int fd;

	if (path == NULL || strlen(path) >= sizeof(address.sun_path))
		return -1;
	strcpy(address.sun_path, path);
	if ((fd = socket(AF_UNIX, SOCK_STREAM, 0)) < 0)
		return -1;
	if (connect(fd, (struct sockaddr *)&address, sizeof(address)) || send_all(fd, &question, 1) ||
	    send_u32(fd, alg) || send_all(fd, &flags, 1) || send_string(fd, application, strlen(application)) ||
	    send_string(fd, pin ? pin : "", pin ? strlen(pin) : 0)) {
		close(fd);
		return -1;
	}
	return fd;
}

static int
status_of(int fd)
{
	uint32_t status;
	return read_u32(fd, &status) ? ERR_GENERAL : -(int)status;
}

uint32_t
sk_api_version(void)
{
	return API_VERSION;
}

int
sk_enroll(uint32_t alg, const uint8_t *challenge, size_t challenge_len, const char *application, uint8_t flags,
    const char *pin, struct sk_option **options, struct sk_enroll_response **response)
{
	struct sk_enroll_response *made = calloc(1, sizeof(*made));
	int status = ERR_GENERAL, fd = ask('E', alg, flags, application, pin);

	(void)options;
	if (made == NULL || fd < 0)
		return ERR_GENERAL;
	if (send_string(fd, challenge, challenge_len) == 0 && (status = status_of(fd)) == 0 &&
	    (read_string(fd, &made->public_key, &made->public_key_len) ||
	    read_string(fd, &made->key_handle, &made->key_handle_len) ||
	    read_string(fd, &made->signature, &made->signature_len) ||
	    read_string(fd, &made->attestation_cert, &made->attestation_cert_len) ||
	    read_string(fd, &made->authdata, &made->authdata_len)))
		status = ERR_GENERAL;
	close(fd);
	made->flags = flags;
	*response = made;
	return status;
}

int
sk_sign(uint32_t alg, const uint8_t *data, size_t data_len, const char *application, const uint8_t *handle,
    size_t handle_len, uint8_t flags, const char *pin, struct sk_option **options, struct sk_sign_response **response)
{
	struct sk_sign_response *made = calloc(1, sizeof(*made));
	int status = ERR_GENERAL, fd = ask('S', alg, flags, application, pin);

	(void)options;
	if (made == NULL || fd < 0)
		return ERR_GENERAL;
	if (send_string(fd, handle, handle_len) == 0 && send_string(fd, data, data_len) == 0 &&
	    (status = status_of(fd)) == 0 &&
	    (read_all(fd, &made->flags, 1) || read_u32(fd, &made->counter) ||
	    read_string(fd, &made->sig_r, &made->sig_r_len) || read_string(fd, &made->sig_s, &made->sig_s_len)))
		status = ERR_GENERAL;
	close(fd);
	*response = made;
	return status;
}

int
sk_load_resident_keys(const char *pin, struct sk_option **options, struct sk_resident_key ***keys, size_t *count)
{
	(void)pin, (void)options;
	*keys = NULL;
	*count = 0;
	return 0;
}
