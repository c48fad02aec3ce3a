"""A SOCKS5 proxy (microsocks) and an HTTP CONNECT proxy (tinyproxy), open ones and ones with a login."""

USER = "walker"
PASSWORD = "through-the-wall"

TINYPROXY = """
User nobody
Group nogroup
Port {port}
Listen 127.0.0.1
Allow 127.0.0.1
Timeout 60
MaxClients 50
LogFile "/var/log/tinyproxy-{port}.log"
LogLevel Connect
DisableViaHeader Yes
"""


class Proxies:
    """Four ports on 127.0.0.1: socks, socks_login, http, http_login."""

    def __init__(self, house):
        self.house = house
        for name in ("socks", "socks_login", "http", "http_login"):
            setattr(self, name, house.port())

    def start(self):
        house = self.house
        house.make_directory("/var/log", mode=0o777)
        microsocks = ["/usr/bin/microsocks", "-i", "127.0.0.1", "-p"]
        house.start("socks", microsocks + [str(self.socks)], [self.socks])
        house.start("socks_login", microsocks + [str(self.socks_login), "-u", USER, "-P", PASSWORD],
                    [self.socks_login])
        for port, login in ((self.http, ""), (self.http_login, f"BasicAuth {USER} {PASSWORD}\n")):
            name = f"/etc/tinyproxy-{port}.conf"
            house.write(name, TINYPROXY.format(port=port) + login)
            house.start(f"http-{port}", ["/usr/bin/tinyproxy", "-d", "-c", name], [port])
        return self
