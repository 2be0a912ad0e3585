"""The configuration file: one YAML document in, one frozen value out, once.

Every key is documented in ``docs/reference/configuration.md`` and a test holds the two together. Unknown keys refuse to start.
Secrets are not in the file: provider credentials come from environment variables (named per deployment in a catalogue) or from
files, and client keys are stored as SHA-256 digests of keys that have 256 bits of entropy. Other modules import from here.
"""

from proxy.settings.answering import CallSettings, FeedbackSettings, Fusion, Pipeline, Routing, SandboxSettings
from proxy.settings.base import Digest, EnvName, Name, Network
from proxy.settings.document import BUILTIN, DEFAULTS, Settings
from proxy.settings.edges import AddressPlaces, JwtIssuer, Server, Traces
from proxy.settings.governing import Person, Policy
from proxy.settings.reading import load, read_yaml
from proxy.settings.records import KeySettings, LogBucket, LogSettings, LogTimestamps, LogWitness, ScopeLogs, Storage
from proxy.settings.tenants import Content, Key, Preference, Substitution, Tenant

__all__ = [
    "BUILTIN",
    "DEFAULTS",
    "AddressPlaces",
    "CallSettings",
    "Content",
    "Digest",
    "EnvName",
    "FeedbackSettings",
    "Fusion",
    "JwtIssuer",
    "Key",
    "KeySettings",
    "LogBucket",
    "LogSettings",
    "LogTimestamps",
    "LogWitness",
    "Name",
    "Network",
    "Person",
    "Pipeline",
    "Policy",
    "Preference",
    "Routing",
    "SandboxSettings",
    "ScopeLogs",
    "Server",
    "Settings",
    "Storage",
    "Substitution",
    "Tenant",
    "Traces",
    "load",
    "read_yaml",
]
