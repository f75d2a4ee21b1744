"""What a file holds of a deep mixture, and how the model comes back from it."""

from __future__ import annotations

from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any, ClassVar

import numpy as np

from survjax._core.precision import double_precision
from survjax.estimators.deep.training import check_settings
from survjax.estimators.regression.saved import COLUMNS, restore_columns
from survjax.estimators.saving.fields import Floats, Number, Table
from survjax.estimators.saving.persistence import Persistent
from survjax.likelihood.weibulls import weibull_template
from survjax.networks.deep_mixture import flat_members, members_from_flat
from survjax.networks.deep_mixture_curves import Ensemble


class SavedDeepMixture(Persistent):
    """`save` of an estimator that holds an `Ensemble`; networks are numbers, not code."""

    n_components: int
    n_members: int
    n_features_in_: int
    _ensemble: Ensemble

    _saved: ClassVar[Mapping[str, Any]] = {
        "log_likelihood_": Number(),
        **COLUMNS,
        "_networks": Floats(("members", "numbers")),
        "_order": Floats(("members", "components")),
        "n_units_": Number(least=0.0),
        "n_events_": Number(least=0.0),
        "n_epochs_": Number(whole=True, least=0),
        "history_": Table(),
        "members_": Table(),
    }

    def _state(self) -> Any:
        state: dict[str, Any] = {name: vars(self).get(name) for name in self._saved}
        ensemble = self._ensemble
        return SimpleNamespace(
            **state
            | {
                "_center": ensemble.center,
                "_scale": ensemble.scale,
                "_networks": flat_members(ensemble.parameters),
                "_order": ensemble.order,
            }
        )

    @double_precision
    def _rebuild(self) -> None:
        inside = vars(self)
        flat, order = inside.pop("_networks"), inside.pop("_order")
        # Before anything of that size is made of them.
        k = self.n_components
        whole = isinstance(k, int) and not isinstance(k, bool)
        whole = whole and order.shape[1] == k and len(flat) == self.n_members
        if not whole or flat.shape[1] < weibull_template(k).size:
            raise ValueError("_networks do not fit n_members and n_components")
        network, _ = check_settings(self)
        columns = restore_columns(self)
        if np.any(np.sort(order, axis=1) != np.arange(k)):
            raise ValueError("_order must put the components of each member in some order")
        parameters = members_from_flat(network, flat, self.n_features_in_)
        places = order.astype(int)
        self._ensemble = Ensemble(network, parameters, places, columns.center, columns.scale)
        self.n_parameters_ = int(self._ensemble.n_parameters)
        self.members_: Any = inside["members_"].rename_axis(index="member")
