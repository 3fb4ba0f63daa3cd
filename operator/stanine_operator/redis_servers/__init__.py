"""Redis servers named by RedisConfigs: connections, credentials, monitor and ACL file."""
