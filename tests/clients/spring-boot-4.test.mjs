// Spring Boot 4, with Spring Security 7.
import { testSpringBoot } from "./spring/spring_boot.mjs";

await testSpringBoot("spring-boot-4", ["from 6.5 on"]);
