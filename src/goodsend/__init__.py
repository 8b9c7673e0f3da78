"""goodsend: self-hosted trust & safety for platforms that send. This package's version, and nothing else."""

__version__ = "0.1.0"
