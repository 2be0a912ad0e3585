"""Programs that models wrote, run on the examples of their own task, where they can reach nothing (``docs/explanation/fusion.md``).

``child`` is what the isolated interpreter runs, ``system_calls`` what the kernel lets it do, ``runner`` the edge that starts it.
"""
