/*
 * A stand-in for a vendor's library (NISEC_SKPC.dll and its like), for demonstrations and tests.
 *
 * OperateDisk hands the message to a simulated tax server and gives its answer:
 *     POST http://$QINGKA_VIRTUAL_ADDRESS/SKServer/SKDo        e.g. 127.0.0.1:8712
 * It returns 0 and fills `out`, or returns a negative number and leaves `out` empty.
 *
 * The file named by $QINGKA_OPERATE_DISK_CONTROL may hold one line, "FAULT MESSAGE", and is removed by
 * the first call whose message has that id, which then goes wrong:
 *     hang      sleeps for ever before the device acts      hang-after      after it acted
 *     crash     segmentation fault before the device acts   crash-after     after it acted
 *     scribble  the device acts; `out` gets 100 KB of noise without an end
 *     overrun   as scribble, and 1 KB beyond `out`
 *     print     writes to standard output, then works as usual
 *
 * Build: cc -shared -fPIC -o operate_disk.so operate_disk.c
 * For Windows: x86_64-w64-mingw32-gcc -shared -o operate_disk.dll operate_disk.c -lws2_32
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#ifdef _WIN32
#include <winsock2.h>
#include <ws2tcpip.h>
#define EXPORTED __declspec(dllexport)
#define MSG_NOSIGNAL 0
#define close closesocket
#define pause() Sleep(INFINITE)
typedef SOCKET Socket;
#define NO_SOCKET INVALID_SOCKET
#else
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>
#define EXPORTED __attribute__((visibility("default")))
typedef int Socket;
#define NO_SOCKET (-1)
#endif

#define OUT_SIZE (100 * 1024)
#define ANSWER_SIZE (256 * 1024)
#define OVERRUN 1024

/* Windows wants its socket library started; asking for it again does no harm. */
static Socket open_socket(void) {
#ifdef _WIN32
    WSADATA started;
    if (WSAStartup(MAKEWORD(2, 2), &started) != 0) return NO_SOCKET;
#endif
    return socket(AF_INET, SOCK_STREAM, 0);
}

static Socket connect_to_server(void) {
    const char *address = getenv("QINGKA_VIRTUAL_ADDRESS");
    char host[64];
    int port;
    if (address == NULL || sscanf(address, "%63[^:]:%d", host, &port) != 2) return NO_SOCKET;
    struct sockaddr_in server = {0};
    server.sin_family = AF_INET;
    server.sin_port = htons((unsigned short)port);
    if (inet_pton(AF_INET, host, &server.sin_addr) != 1) return NO_SOCKET;
    Socket connection = open_socket();
    if (connection == NO_SOCKET) return NO_SOCKET;
    if (connect(connection, (struct sockaddr *)&server, sizeof server) != 0) {
        close(connection);
        return NO_SOCKET;
    }
    return connection;
}

static int send_all(Socket connection, const char *data, size_t size) {
    while (size > 0) {
        long sent = (long)send(connection, data, size, MSG_NOSIGNAL);
        if (sent <= 0) return -1;
        data += sent;
        size -= (size_t)sent;
    }
    return 0;
}

/* The whole HTTP answer, ended by a NUL; its size, or a negative number. */
static long receive_all(Socket connection, char *answer, size_t room) {
    size_t size = 0;
    long got;
    while (size + 1 < room && (got = (long)recv(connection, answer + size, room - 1 - size, 0)) > 0) {
        size += (size_t)got;
    }
    answer[size] = '\0';
    return size > 0 ? (long)size : -1;
}

static int forward(const char *in, char *out) {
    static char answer[ANSWER_SIZE];
    char head[256];
    Socket connection = connect_to_server();
    if (connection == NO_SOCKET) return -1;
    snprintf(head, sizeof head,
             "POST /SKServer/SKDo HTTP/1.1\r\nHost: localhost\r\nContent-Type: text/xml\r\n"
             "Content-Length: %zu\r\nConnection: close\r\n\r\n",
             strlen(in));
    long size = -1;
    if (send_all(connection, head, strlen(head)) == 0 && send_all(connection, in, strlen(in)) == 0) {
        size = receive_all(connection, answer, sizeof answer);
    }
    close(connection);
    const char *body = size > 0 ? strstr(answer, "\r\n\r\n") : NULL;
    if (body == NULL || strncmp(answer, "HTTP/1.1 200", 12) != 0) return -2;
    size_t length = (size_t)(answer + size - (body + 4));
    if (length >= OUT_SIZE) return -3;
    memcpy(out, body + 4, length);
    out[length] = '\0';
    return 0;
}

/* Whether this message is to go wrong, and how: `fault` gets the name or stays empty. */
static void take_fault(const char *in, char *fault, size_t room) {
    const char *path = getenv("QINGKA_OPERATE_DISK_CONTROL");
    char name[32], message[32], wanted[48];
    fault[0] = '\0';
    FILE *control = path != NULL ? fopen(path, "r") : NULL;
    if (control == NULL) return;
    int read = fscanf(control, "%31s %31s", name, message);
    fclose(control);
    if (read != 2) return;
    snprintf(wanted, sizeof wanted, "id=\"%s\"", message);
    if (strstr(in, wanted) == NULL) return;
    remove(path);
    snprintf(fault, room, "%s", name);
}

static void sleep_for_ever(void) {
    for (;;) pause();
}

static void crash(void) {
    volatile int *volatile nowhere = NULL;
    *nowhere = 1;
}

EXPORTED int OperateDisk(const char *in, char *out) {
    char fault[32];
    take_fault(in, fault, sizeof fault);
    if (strcmp(fault, "hang") == 0) sleep_for_ever();
    if (strcmp(fault, "crash") == 0) crash();
    if (strcmp(fault, "print") == 0) {
        puts("the vendor's library talks to itself");
        fflush(stdout);
    }
    int result = forward(in, out);
    if (strcmp(fault, "hang-after") == 0) sleep_for_ever();
    if (strcmp(fault, "crash-after") == 0) crash();
    if (strcmp(fault, "scribble") == 0) memset(out, 0xA5, OUT_SIZE);
    if (strcmp(fault, "overrun") == 0) memset(out, 0xA5, OUT_SIZE + OVERRUN);
    return result;
}
