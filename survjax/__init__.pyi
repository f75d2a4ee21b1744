from survjax import datasets as datasets
from survjax import inference as inference
from survjax import lifetimes as lifetimes
from survjax import optimize as optimize

__version__: str
__all__: list[str]
