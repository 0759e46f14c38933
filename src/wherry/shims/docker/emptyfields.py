"""Fields of Docker's documents that nothing here has: templates that name them get Docker's empty values."""

from __future__ import annotations

from typing import Any

__all__ = ["CONFIG", "CONTAINER", "ENDPOINT", "HOST_CONFIG", "IMAGE", "NETWORK_SETTINGS"]

CONTAINER: dict[str, Any] = {
    **dict.fromkeys(
        ("AppArmorProfile", "MountLabel", "ProcessLabel", "HostnamePath", "HostsPath", "ResolvConfPath"), ""
    ),
    "GraphDriver": {"Name": "overlay2", "Data": {}},
}

CONFIG: dict[str, Any] = {
    **dict.fromkeys(("Hostname", "Domainname", "Image"), ""),
    **dict.fromkeys(("AttachStdin", "AttachStdout", "AttachStderr", "OpenStdin", "StdinOnce", "Tty"), False),
    "OnBuild": None,
}

HOST_CONFIG: dict[str, Any] = {
    **dict.fromkeys(("Cgroup", "CgroupParent", "CpusetCpus", "CpusetMems", "ContainerIDFile", "Isolation"), ""),
    **dict.fromkeys(("UTSMode", "UsernsMode", "VolumeDriver"), ""),
    **dict.fromkeys(("BlkioWeight", "CpuCount", "CpuPercent", "CpuPeriod", "CpuQuota", "CpuRealtimePeriod"), 0),
    **dict.fromkeys(("CpuRealtimeRuntime", "CpuShares", "IOMaximumBandwidth", "IOMaximumIOps", "KernelMemory"), 0),
    **dict.fromkeys(("KernelMemoryTCP", "MemoryReservation", "OomScoreAdj", "ShmSize"), 0),
    **dict.fromkeys(("BlkioDeviceReadBps", "BlkioDeviceReadIOps", "BlkioDeviceWriteBps", "BlkioDeviceWriteIOps")),
    **dict.fromkeys(("DeviceCgroupRules", "DeviceRequests", "ExtraHosts", "GroupAdd", "Links", "MemorySwappiness")),
    **dict.fromkeys(("SecurityOpt", "Ulimits", "VolumesFrom")),
    **dict.fromkeys(("OomKillDisable", "PublishAllPorts"), False),
    "BlkioWeightDevice": [],
    "CgroupnsMode": "private",
    "ConsoleSize": [0, 0],
    "Devices": [],
    "Dns": [],
    "DnsOptions": [],
    "DnsSearch": [],
    "MaskedPaths": [],
    "ReadonlyPaths": [],
    "Runtime": "wherry",
}

ENDPOINT: dict[str, Any] = {
    **dict.fromkeys(("EndpointID", "Gateway", "GlobalIPv6Address", "IPAddress", "IPv6Gateway", "MacAddress"), ""),
    **dict.fromkeys(("Aliases", "DriverOpts", "IPAMConfig", "Links", "DNSNames")),
    **dict.fromkeys(("GlobalIPv6PrefixLen", "IPPrefixLen"), 0),
    "NetworkID": "",
}

NETWORK_SETTINGS: dict[str, Any] = {
    **dict.fromkeys(("Bridge", "EndpointID", "Gateway", "GlobalIPv6Address", "IPAddress", "IPv6Gateway"), ""),
    **dict.fromkeys(("LinkLocalIPv6Address", "MacAddress", "SandboxID", "SandboxKey"), ""),
    **dict.fromkeys(("GlobalIPv6PrefixLen", "IPPrefixLen", "LinkLocalIPv6PrefixLen"), 0),
    **dict.fromkeys(("SecondaryIPAddresses", "SecondaryIPv6Addresses")),
    "HairpinMode": False,
    "Ports": {},
}

IMAGE: dict[str, Any] = {"Container": "", "ContainerConfig": CONFIG, "Parent": "", "Comment": "", "DockerVersion": ""}
