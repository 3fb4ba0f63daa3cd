"""Connections to the servers of RedisConfigs: credentials, connections, monitor and ACL file."""
