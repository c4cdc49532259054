"""What pyproject.toml cannot say: the package carries the device's sources, the boards and the lists of tools/.

They become fieldgate/project/ (see tools/fieldgate/places.py), every folder by itself, so that a new board needs no
line here.
"""

from setuptools import find_namespace_packages, find_packages, setup

DEVICE = find_namespace_packages(".", include=["boards*", "firmware*", "lib*"], exclude=["*__pycache__*"])
PROJECT = [f"fieldgate.project.{name}" for name in (*DEVICE, "tools")]

setup(
    packages=find_packages("tools", include=["fieldgate*"]) + PROJECT,
    package_dir={"": "tools", "fieldgate.project": "."},
    package_data={"": ["*.json", "*.jsonl", "*.md"]},
    include_package_data=False,
)
