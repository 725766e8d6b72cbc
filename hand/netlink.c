#include "netlink.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <linux/veth.h>
#include <net/if.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define BLOCK_BITS 30

/* One message and its attributes. */
struct message {
    struct nlmsghdr header;
    unsigned char body[1024];
};

static void begin(struct message *message, uint16_t type, uint16_t flags, const void *fixed, size_t length)
{
    memset(message, 0, sizeof *message);
    message->header.nlmsg_type = type;
    message->header.nlmsg_flags = (uint16_t)(NLM_F_REQUEST | NLM_F_ACK | flags);
    message->header.nlmsg_len = (uint32_t)(NLMSG_HDRLEN + NLMSG_ALIGN(length));
    memcpy(message->body, fixed, length);
}

static struct rtattr *end_of(struct message *message)
{
    return (struct rtattr *)((unsigned char *)message + NLMSG_ALIGN(message->header.nlmsg_len));
}

/* All attributes of a message are short and of our own making: they fit. */
static struct rtattr *add(struct message *message, uint16_t type, const void *value, size_t length)
{
    struct rtattr *attribute = end_of(message);
    attribute->rta_type = type;
    attribute->rta_len = (uint16_t)RTA_LENGTH(length);
    if (length > 0)
        memcpy(RTA_DATA(attribute), value, length);
    message->header.nlmsg_len = (uint32_t)(NLMSG_ALIGN(message->header.nlmsg_len) + RTA_ALIGN(attribute->rta_len));
    return attribute;
}

static void add_text(struct message *message, uint16_t type, const char *text)
{
    add(message, type, text, strlen(text) + 1);
}

static void close_nest(struct message *message, struct rtattr *nest)
{
    nest->rta_len = (uint16_t)((unsigned char *)end_of(message) - (unsigned char *)nest);
}

/* Sends a message and takes the kernel's word for what came of it. */
static int ask(const struct message *message)
{
    struct {
        struct nlmsghdr header;
        struct nlmsgerr error;
        unsigned char rest[2048];
    } reply;
    int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
    if (fd < 0)
        return -1;
    ssize_t got = send(fd, message, message->header.nlmsg_len, 0);
    if (got >= 0)
        got = recv(fd, &reply, sizeof reply, 0);
    int error = got < 0 ? errno : 0;
    close(fd);
    if (error == 0 && (got < (ssize_t)NLMSG_LENGTH(sizeof(int)) || reply.header.nlmsg_type != NLMSG_ERROR))
        error = EPROTO;
    errno = error != 0 ? error : -reply.error.error;
    return errno == 0 ? 0 : -1;
}

int make_link_pair(const char *name, pid_t inside, uint32_t mtu)
{
    const struct ifinfomsg any = {0};
    const uint32_t pid = (uint32_t)inside;
    struct message message;
    begin(&message, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, &any, sizeof any);
    add_text(&message, IFLA_IFNAME, name);
    add(&message, IFLA_MTU, &mtu, sizeof mtu);
    struct rtattr *info = add(&message, IFLA_LINKINFO, NULL, 0);
    add_text(&message, IFLA_INFO_KIND, "veth");
    struct rtattr *data = add(&message, IFLA_INFO_DATA, NULL, 0);
    struct rtattr *peer = add(&message, VETH_INFO_PEER, &any, sizeof any);
    add_text(&message, IFLA_IFNAME, "eth0");
    add(&message, IFLA_MTU, &mtu, sizeof mtu);
    add(&message, IFLA_NET_NS_PID, &pid, sizeof pid);
    close_nest(&message, peer);
    close_nest(&message, data);
    close_nest(&message, info);
    return ask(&message);
}

int remove_link(const char *name)
{
    const struct ifinfomsg any = {0};
    struct message message;
    begin(&message, RTM_DELLINK, 0, &any, sizeof any);
    add_text(&message, IFLA_IFNAME, name);
    return ask(&message);
}

int raise_link(const char *name)
{
    const struct ifinfomsg up = {.ifi_flags = IFF_UP, .ifi_change = IFF_UP};
    struct message message;
    begin(&message, RTM_NEWLINK, 0, &up, sizeof up);
    add_text(&message, IFLA_IFNAME, name);
    return ask(&message);
}

int add_address(const char *name, const char *address)
{
    struct in_addr number;
    struct ifaddrmsg place = {.ifa_family = AF_INET, .ifa_prefixlen = BLOCK_BITS, .ifa_index = if_nametoindex(name)};
    if (place.ifa_index == 0 || inet_pton(AF_INET, address, &number) != 1) {
        errno = EINVAL;
        return -1;
    }
    struct message message;
    begin(&message, RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL, &place, sizeof place);
    add(&message, IFA_LOCAL, &number, sizeof number);
    add(&message, IFA_ADDRESS, &number, sizeof number);
    return ask(&message);
}

int add_default_route(const char *name, const char *gateway)
{
    struct in_addr number;
    const struct rtmsg route = {.rtm_family = AF_INET,
                                .rtm_table = RT_TABLE_MAIN,
                                .rtm_protocol = RTPROT_BOOT,
                                .rtm_scope = RT_SCOPE_UNIVERSE,
                                .rtm_type = RTN_UNICAST};
    const uint32_t link = if_nametoindex(name);
    if (link == 0 || inet_pton(AF_INET, gateway, &number) != 1) {
        errno = EINVAL;
        return -1;
    }
    struct message message;
    begin(&message, RTM_NEWROUTE, NLM_F_CREATE | NLM_F_EXCL, &route, sizeof route);
    add(&message, RTA_GATEWAY, &number, sizeof number);
    add(&message, RTA_OIF, &link, sizeof link);
    return ask(&message);
}
