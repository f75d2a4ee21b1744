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
    "uncertainty/test_uncertainty.py::test_bounds_of_a_quantile_hold_it_even_where_hardly_"
    "anything_fails",
    "estimators/test_hostile_regressions.py::test_a_fit_without_errors_has_no_bounds[model0]",
    "estimators/test_scaled_hazard.py::test_quantiles_far_from_the_data_reach_their_share",
    "lifetimes/test_modified.py::test_a_new_unit_may_have_failed_before_time_"
    "zero[<lambda>0-normal]",
    "lifetimes/test_accuracy.py::test_inverses_hold_their_digits_where_hardly_anything_has_"
    "failed[shapes0-0.0]",
    "estimators/test_family_references.py::test_fits_agree_with_other_"
    "programs[logistic-diabetes_interval]",
    "estimators/test_family_references.py::test_fits_agree_with_other_programs[gumbel_"
    "min-diabetes_interval]",
    "estimators/test_family_references.py::test_fits_agree_with_other_"
    "programs[logistic-heatexchanger]",
    "estimators/test_family_references.py::test_fits_agree_with_other_programs[normal-ball_"
    "bearings]",
    "likelihood/test_predictor_derivatives.py::test_derivatives_along_one_number_hold_at_any_"
    "time[lognormal]",
    "likelihood/test_predictor_derivatives.py::test_gradient_and_hessian_in_the_coefficients_"
    "are_those_of_autodiff[mixture-right]",
    "lifetimes/test_exponentiated_weibull.py::test_derivatives_of_each_kind_of_row_are_exact[x0]",
    "estimators/test_cox_histories.py::test_errors_along_a_plan_are_those_of_fits_to_"
    "resampled_units",
    "estimators/test_scaled_hazard.py::test_rounded_durations_are_intervals_where_the_base_"
    "is_told[False]",
    "lifetimes/test_derived.py::test_hazard_is_density_over_survival_and_the_slope_of_the_"
    "cumulative_hazard[aged mixture]",
    "lifetimes/test_derived.py::test_quantile_inverts_the_failed_share[aged mixture]",
    "prediction/test_incidence.py::test_what_causes_end_is_what_the_survival_loses[mixture]",
    "estimators/test_deep_histories.py::test_training_on_histories_is_training_on_their_"
    "units[64-one row a unit]",
    "test_promises.py::test_what_the_readme_promises_not_to_matter_does_"
    "not[deep mixture: the unit of time]",
    "estimators/test_histories.py::test_splitting_lives_into_rows_changes_nothing[mixture]",
    "estimators/test_histories.py::test_a_plan_that_changes_nothing_is_the_ordinary_"
    "remaining_life[mixture]",
    "estimators/test_unnamed_units.py::test_one_warning_says_what_was_seen_what_it_does_and_"
    "what_to_do[deep]",
    "estimators/test_deep_mixture.py::test_that_mixture_is_a_maximum_near_that_of_all_units",
    "estimators/test_deep_mixture.py::test_bounds_are_how_far_the_members_are_apart[quantile]",
    "estimators/test_deep_mixture.py::test_each_member_begins_with_the_mixture_of_its_own_sample",
    "estimators/test_order_of_rows.py::test_networks_see_the_same_samples_and_batches_in_any_"
    "order[2]",
    "fitting/test_coreset.py::test_fits_to_many_intervals_end_at_the_maximum_on_all_rows[True]",
    "baselines/test_neural.py::test_the_order_of_rows_changes_nothing[share]",
    "fitting/test_search.py::test_search_reaches_what_a_hundred_random_starts_reach[2-12]",
    "lifetimes/test_accuracy.py::test_remaining_life_holds_nine_digits_from_birth_to_a_"
    "survival_of_1e_minus_12[1]",
    "likelihood/test_row_derivatives.py::test_the_general_rule_is_the_hessian_by_autodiff[weibull]",
}
