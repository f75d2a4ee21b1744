"""Single cases, each of many like it, that take longest: they run with -m slow only."""

LONG_CASES = {
    "lifetimes/test_limits.py::test_tiny_and_huge_times_are_near_the_limits[aged mixture]",
    "lifetimes/test_limits.py::test_tiny_and_huge_times_are_near_the_limits"
    "[hazard ratio, lognormal]",
    "estimators/test_gamma_references.py::test_a_fit_without_a_maximum_names_what_it_climbs_to"
    "[photodetector]",
    "estimators/test_gamma_references.py::test_fits_agree_with_the_references[heatexchanger-gamma]",
    "estimators/test_family_references.py::test_fits_agree_with_other_programs"
    "[exponentiated_weibull-power_transformer]",
    "estimators/test_family_references.py::test_fits_agree_with_other_programs"
    "[exponentiated_weibull-lung]",
    "estimators/test_family_references.py::test_fits_agree_with_other_programs"
    "[gumbel_min-heatexchanger]",
    "estimators/test_deep_mixture.py::test_units_of_time_do_not_matter",
    "estimators/test_scaled_hazard.py::test_any_family_may_be_the_base_by_its_name[normal]",
    "lifetimes/test_gamma_families.py::test_mean_remaining_lives_are_partial_expectations"
    "[parameters0]",
    "lifetimes/test_gamma_families.py::test_a_mean_passes_smoothly_through_the_lognormal_and_may_be"
    "_infinite",
    "lifetimes/test_first_passage.py::test_derivatives_of_each_kind_of_row_are_exact"
    "[inverse_gaussian-x2]",
    "lifetimes/test_modified.py::test_derivatives_of_every_kind_of_row_are_exact[cured--20.0]",
    "lifetimes/test_derived.py::test_ages_beyond_any_life_leave_curves_finite_and_survival_zero"
    "[float32]",
    "lifetimes/test_derived.py::test_aging_twice_is_aging_once[two families]",
    "lifetimes/test_accuracy.py::test_errors_of_quantiles_hold_their_digits_in_the_far_tail[1.0]",
    "likelihood/test_predictor_derivatives.py::test_gradient_and_hessian_in_the_coefficients_are_"
    "those_of_autodiff[scaled-right]",
    "likelihood/test_predictor_derivatives.py::test_gradient_and_hessian_in_the_coefficients_are_"
    "those_of_autodiff[scaled-interval]",
    "cox/test_exact_sums.py::test_the_likelihood_in_jax_keeps_its_digits[True]",
}
